// Tells when a notebook's file may have been changed, moved or deleted by somebody else. A hint and no more: whoever is
// told reads the file and compares contents.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "document/system_file.hpp"

namespace lectern::session {

/// What a file was at one moment, for a cheap "nothing happened": equal means the very same file, untouched.
struct FileIdentity {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;
  bool operator==(const FileIdentity&) const = default;
  [[nodiscard]] bool exists() const { return inode != 0; }
};
/// [any] One system call; all zero for what is no regular file.
FileIdentity identity_of(const std::string& path);

/// A file as it was, and what knows where it goes.
struct HeldFile {
  FileIdentity identity;
  document::Descriptor handle;
  std::uint64_t device = 0;  ///< the file system it is on, or would be; 0 = nobody knows
};
/// [worker] For a watch that is to begin somewhere else: what happens to the file from here on will be told.
HeldFile hold_file(const std::string& path);

/// One thread for each file system, so that a mount that hangs stops the watch of its own files alone.
class FileWatch {
 public:
  struct Settings {
    /// How often every file is looked at anyway: for file systems that tell nothing, and for folders above the file's
    /// that are moved.
    int poll_ms = 700;
    /// How long a missing file is waited for: editors move the old one away before they put the new one there.
    int missing_ms = 300;
    bool notify = true;  ///< false: poll only
  };
  struct Event {
    enum class Kind {
      touched,  ///< there, and perhaps another content
      moved,    ///< the file is at `path` now
      gone,     ///< there is no such file any more, and nobody can say where it went
    };
    Kind kind = Kind::touched;
    std::string path;
  };
  /// Called on a thread of the watch's own: post to your loop there, do nothing else.
  using Told = std::function<void(const Event&)>;

  /// [control] Costs nothing until the first watch.
  FileWatch();
  explicit FileWatch(Settings settings);
  /// [control] stop().
  ~FileWatch();
  /// [control] Nobody is told anything from here on; waits for a call under way.
  void stop();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  /// As long as it lives, the file is watched. Destroying it waits for no call: one may still be under way. [any]
  class Guard {
   public:
    Guard() = default;
    Guard(Guard&& other) noexcept;
    Guard& operator=(Guard&& other) noexcept;
    ~Guard();

   private:
    friend class FileWatch;
    explicit Guard(std::function<void()> end) : end_(std::move(end)) {}
    std::function<void()> end_;
  };
  /// [any] No file system call. Watches the file at `path` (canonical; it may be missing): `touched` once the watch
  /// stands, when there is a file then, and for every change from there on, the host's own included. What became of
  /// `held` in between is told too.
  [[nodiscard]] Guard watch(std::string path, Told told, HeldFile held = {});

 private:
  struct Inner;
  struct Mounts;
  std::unique_ptr<Mounts> mounts_;
};

}  // namespace lectern::session
