// All that a cell said, as a file of any size: read piece by piece by workers while it is sent.
#include <algorithm>

#include "api/endpoints.hpp"
#include "api/strangers.hpp"
#include "runtime/whole_output.hpp"

namespace lectern::api {
namespace {

constexpr std::size_t piece_bytes = 256u << 10;

class WholeBody final : public BodySource {
 public:
  WholeBody(session::WholeFilePtr file, Workers& workers) : file_(std::move(file)), workers_(workers) {}
  [[nodiscard]] std::uint64_t size() const override { return file_->size(); }
  void next(UniqueFunction<void(std::string)> done) override {
    const auto from = at_;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, file_->size() - from));
    at_ += count;
    workers_.submit([file = file_, from, count, done = std::move(done)]() mutable { done(file->read(from, count)); });
  }

 private:
  const session::WholeFilePtr file_;
  Workers& workers_;
  std::uint64_t at_ = 0;
};

Response whole_response(session::WholeFilePtr file, const std::string& id, Workers& workers) {
  Response response;
  response.headers = {{"Content-Type", "text/plain; charset=utf-8"},
                      {"Content-Disposition", "attachment; filename=\"output-" + id.substr(0, 8) + ".txt\""},
                      {"Cache-Control", "no-store"},  // it grows for as long as its cell runs
                      {"Referrer-Policy", "no-referrer"}};
  for (const auto& [name, value] : strangers_guard) response.headers.emplace_back(name, value);
  response.source = std::make_shared<WholeBody>(std::move(file), workers);
  return response;
}

}  // namespace

Outcome Endpoints::whole_output(Call call) {
  auto session = session_of(call);
  if (!session) return error_response(session.error());
  return Deferred{
      [this, session = std::move(*session), id = call.arguments.at(1)](Respond respond) mutable {
        auto answered = [this, id, respond = std::move(respond)](Result<session::WholeFilePtr> file) mutable {
          respond(file ? whole_response(std::move(*file), id, *parts_.workers) : error_response(file.error()));
        };
        session->whole_output(id, std::move(answered));
      },
      call.route->deadline_ms};
}

}  // namespace lectern::api
