// Directory::State: new sessions, of new notebooks and of those that were opened.
#include <utility>

#include "base/crypto.hpp"
#include "base/workers.hpp"
#include "session/directory_state.hpp"
#include "session/editing.hpp"
#include "session/saver.hpp"

namespace lectern::session {

void Directory::State::create(CreateRequest request, Reply<SessionPtr> reply) {
  services.workers->submit(
      [self = shared_from_this(), token = token(), request = std::move(request), reply = std::move(reply)]() mutable {
        auto prepared = self->prepare([&](const PolicyChoice& choice) {
          return prepare_create(self->services, self->settings, choice, request, self->hold());
        });
        const auto path = prepared ? prepared->notebook.path : std::string();
        self->begin(path, std::move(prepared), std::move(reply));
      });
}

void Directory::State::begin(const std::string& path, Result<Prepared> prepared, Reply<SessionPtr> created) {
  const auto give_up = [&](Error error) {
    if (created) return created(fail(std::move(error)));
    answer_openings(path, fail(std::move(error)));
  };
  if (!prepared) return give_up(prepared.error());
  auto session = make_session(prepared->notebook.session_id);
  {
    const std::scoped_lock lock(mutex);
    if (!drain) {
      auto& slot = slots[session->id()];
      slot.session = session;
      slot.path = path;
      slot.order = next;
    }
  }
  if (!find(session->id())) return give_up(draining());
  auto& loop = session->loop();
  loop.post([self = shared_from_this(), session = std::move(session), path, claim = std::exchange(prepared->claim, {}),
             prepared = std::move(*prepared), created = std::move(created)]() mutable {
    const auto round = prepared.policy_round;
    session->begin(std::move(prepared));
    self->policy->began(session, round);
    if (!created) return self->answer_openings(path, SessionPtr(session));
    self->finish_creation(session, std::move(claim), std::move(created));
  });
}

void Directory::State::finish_creation(const std::shared_ptr<LiveSession>& session, Claim claim,
                                       Reply<SessionPtr> created) {
  session->editing().when_built(
      [session, claim = std::move(claim), created = std::move(created)](Status status) mutable {
        auto saved = [session, claim = std::move(claim), created = std::move(created)](Status written) mutable {
          if (written) {
            claim.reset();
            return created(SessionPtr(session));
          }
          auto* dying = session.get();  // a create that fails leaves no session behind
          dying->end("SESSION_ENDED", [claim = std::move(claim), created = std::move(created),
                                       error = written.error()](Result<bool>) mutable {
            claim.reset();
            created(fail(std::move(error)));
          });
        };
        if (!status) return saved(std::move(status));
        session->saver().document_built();
        session->saver().flush(std::move(saved));
      });
}

// A session's parts are of its loop, so its last holder, on whatever thread, sends it there to die.
std::shared_ptr<LiveSession> Directory::State::make_session(std::string id) {
  Loop* loop = nullptr;
  std::uint64_t order = 0;
  {
    const std::scoped_lock lock(mutex);
    if (id.empty() || slots.contains(id)) id = crypto::uuid();
    order = next++;
    loop = reactors[order % reactors.size()];
    ++alive;
  }
  auto made = std::make_unique<LiveSession>(std::move(id), *loop, services, settings, home());
  return {made.release(), [loop, self = shared_from_this()](LiveSession* session) {
            loop->post([gone = std::unique_ptr<LiveSession>(session), self]() mutable {
              gone.reset();
              self->one_less();
            });
          }};
}

}  // namespace lectern::session
