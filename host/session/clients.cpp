#include "session/clients.hpp"

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace lectern::session {
namespace {

constexpr std::size_t past_grants_kept = 64;
constexpr std::size_t actors_kept = 16;

}  // namespace

Clients::~Clients() {
  for (const auto& [id, client] : by_id_) {
    if (book_) book_->remove(id);
  }
}

PastGrant* Client::past_grant(std::uint64_t epoch) {
  for (auto& grant : past) {
    if (grant.epoch == epoch) return &grant;
  }
  return nullptr;
}

std::string Client::host_actor() const {
  return text::to_hex(crypto::sha256("lectern-transactions-of:" + id).substr(0, 16));
}

Clients::Issued Clients::issue(std::string label, std::string kind, std::string principal, bool view_only) {
  auto client = std::make_unique<Client>();
  client->number = next_number_++;
  client->id = "c_" + crypto::random_token(12);
  auto secret = crypto::random_token(24);
  client->secret_hash = crypto::sha256(secret);
  client->label = std::move(label);
  client->kind = std::move(kind);
  client->principal = std::move(principal);
  client->view_only = view_only;
  client->seen_wall_ms = clock::wall_ms();
  new_actor(*client);
  auto* made = client.get();
  if (book_) book_->add(made->id, made->secret_hash);
  by_number_[made->number] = made;
  by_id_[made->id] = std::move(client);
  return {made, std::move(secret)};
}

Result<Client*> Clients::authenticate(std::string_view key) {
  if (key.empty()) {
    return fail(400, "client_required", "the command does not say which client sends it",
                "send the key of kernel-ready or of POST .../clients in the Lectern-Client header");
  }
  const auto dot = key.find('.');
  auto* client = dot == std::string_view::npos ? nullptr : find(key.substr(0, dot));
  const auto hash = dot == std::string_view::npos ? std::string() : crypto::sha256(key.substr(dot + 1));
  if (client == nullptr && book_ && book_->knows(key.substr(0, dot), hash)) {
    return fail(400, "not_a_member", "the client is of another session",
                "connect to this session, or POST .../clients, and use the key it gives");
  }
  if (client == nullptr || !crypto::equal(hash, client->secret_hash)) {
    return fail(unknown());
  }
  client->seen_wall_ms = clock::wall_ms();
  return client;
}

Error Clients::unknown() {
  return {401, "client_unknown", "this session does not know the client, or the secret is wrong",
          "take a new client: connect without a key, or POST .../clients", ""};
}

Client* Clients::find(std::string_view id) {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second.get();
}

Client* Clients::by_number(std::uint64_t number) {
  const auto it = by_number_.find(number);
  return it == by_number_.end() ? nullptr : it->second;
}

const std::string& Clients::new_actor(Client& client) {
  client.actors.push_back(text::to_hex(crypto::random_bytes(16)));
  if (client.actors.size() > actors_kept) client.actors.erase(client.actors.begin());
  return client.actors.back();
}

void Clients::remember_grant(Client& client, std::uint64_t epoch, std::int64_t now_ms) {
  client.past.push_back({epoch, now_ms, false});
  if (client.past.size() > past_grants_kept) client.past.pop_front();
}

std::string Clients::to_json(const Client& client) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("number", client.number)
      .member("secret", text::to_hex(client.secret_hash))
      .member("label", client.label)
      .member("kind", client.kind)
      .member("principal", client.principal)
      .member("view_only", client.view_only)
      .member("held", client.held_before_restart || client.held)
      .member("seen", client.seen_wall_ms)
      .key("actors")
      .begin_array();
  for (const auto& actor : client.actors) writer.string(actor);
  writer.end_array().end_object();
  return out;
}

namespace {

std::unique_ptr<Client> from_json(std::string_view id, std::string_view text) {
  const auto value = json::parse(text);
  if (!value) return nullptr;
  const json::Fields fields(*value, "client");
  const auto number = fields.unsigned_integer("number");
  const auto secret = fields.string("secret");
  const auto hash = secret ? text::from_hex(*secret) : std::nullopt;
  auto actors = fields.strings("actors");
  if (!number || !hash || !actors || actors->empty()) return nullptr;
  auto client = std::make_unique<Client>();
  client->number = *number;
  client->id = id;
  client->secret_hash = *hash;
  client->actors = std::move(*actors);
  client->label = fields.string("label").value_or("");
  client->kind = fields.string("kind").value_or("");
  client->principal = fields.string("principal").value_or("");
  client->view_only = fields.boolean_or("view_only", false).value_or(false);
  client->held_before_restart = fields.boolean_or("held", false).value_or(false);
  client->seen_wall_ms = static_cast<std::int64_t>(fields.unsigned_integer("seen").value_or(0));
  return client;
}

}  // namespace

document::Author Clients::author_from_json(std::string_view id, std::string_view text) {
  document::Author author;
  const auto client = from_json(id, text);
  if (client == nullptr) return author;
  author.client_id = client->id;
  author.label = client->label;
  author.actors = client->actors;
  author.actors.push_back(client->host_actor());
  return author;
}

std::vector<std::string> Clients::load(const std::map<std::string, std::string>& stored, int keep_days,
                                       std::size_t most) {
  std::vector<std::unique_ptr<Client>> known;
  std::vector<std::string> dropped;
  const auto oldest = clock::wall_ms() - static_cast<std::int64_t>(keep_days) * 86'400'000;
  for (const auto& [id, text] : stored) {
    auto client = from_json(id, text);
    if (client) next_number_ = std::max(next_number_, client->number + 1);
    if (client && client->seen_wall_ms >= oldest) {
      known.push_back(std::move(client));
    } else {
      dropped.push_back(id);
    }
  }
  std::sort(known.begin(), known.end(), [](const auto& a, const auto& b) { return a->seen_wall_ms > b->seen_wall_ms; });
  while (known.size() > most) {
    dropped.push_back(known.back()->id);
    known.pop_back();
  }
  for (auto& client : known) {
    if (book_) book_->add(client->id, client->secret_hash);
    by_number_[client->number] = client.get();
    by_id_[client->id] = std::move(client);
  }
  return dropped;
}

}  // namespace lectern::session
