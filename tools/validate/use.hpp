// A plugin's object in use: a fixed list of calls of its kind, made by hand across the line, and what came of each as
// text. Two uses of the same plugin must give the same texts, whatever else happens.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lectern/abi/base.h"
#include "plugin/kind.hpp"
#include "raw_plugin.hpp"

namespace lectern::validate {

/// What the sinks of one use do and have seen.
struct SinkControl {
  // What to do.
  long fail_at = -1;  // the how-manieth call of all is refused; -1 = none
  lectern_status refusal = LECTERN_UNAVAILABLE;
  // What was seen.
  long calls = 0;
  bool refused = false;   // in the present call of the plugin
  int after_refusal = 0;  // calls of a sink in a call of the plugin in which one was refused before
  int wrong_thread = 0;   // calls from a thread other than the one that called the plugin
  int late = 0;           // calls after the plugin's call had returned

  void begin();
  void end() { active_ = false; }
  /// [any] What the sink must return; LECTERN_OK = take it.
  lectern_status take();

 private:
  bool active_ = false;
  std::thread::id caller_;
};

struct StepResult {
  lectern_status status = LECTERN_OK;
  std::string text;    // what came out
  std::string thrown;  // in words; empty = nothing
  [[nodiscard]] std::string digest() const { return std::to_string(status) + "|" + text + "|" + thrown; }
  bool ran_out = false;  // an allocation was made to fail
};

class Use {
 public:
  Use() = default;
  virtual ~Use() = default;
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  SinkControl sinks;
  std::size_t extra = 0;  // bytes, not zero, behind every struct handed over
  long allocations = -1;  // of each call of the plugin succeed
  bool stay_out = false;

  /// [control] Makes the object. `error` is what the plugin is given.
  virtual StepResult create(lectern_error* error) = 0;
  StepResult create() {
    lectern_error error = empty_error();
    StepResult made = create(&error);
    if (made.text.empty()) made.text = said(error);
    return made;
  }
  /// [control] Frees the object, if there is one. What it threw, in words.
  virtual std::string destroy() = 0;
  [[nodiscard]] virtual int steps() const = 0;
  [[nodiscard]] virtual std::string name(int step) const = 0;
  virtual StepResult step(int step) = 0;

  /// Every step in order, as one text.
  std::string all_steps();

 protected:
  /// One call of the plugin.
  StepResult call(const std::function<lectern_status()>& body);
};

/// [control] `interface` is what get_kind gave; `config` the settings.
std::unique_ptr<Use> make_use(plugin::Kind kind, const void* interface, std::string config);
std::unique_ptr<Use> use_policy(const void* interface, std::string config);
std::unique_ptr<Use> use_format(const void* interface);
std::unique_ptr<Use> use_transport(const void* interface, std::string config);
std::unique_ptr<Use> use_presence(const void* interface, std::string config);
std::unique_ptr<Use> use_runtime(const void* interface, std::string config);

/// Copies of structs, one after the other, each with `extra` bytes that are not zero behind it.
template <class T>
class Longer {
 public:
  Longer(const std::vector<T>& from, std::size_t extra)
      : stride_((sizeof(T) + extra + alignof(T) - 1) / alignof(T) * alignof(T)),
        bytes_((from.size() + 1) * stride_, '\xA5') {
    for (std::size_t i = 0; i < from.size(); ++i) put(from[i], i);
  }
  Longer(const T& one, std::size_t extra) : Longer(std::vector<T>{one}, extra) {}
  [[nodiscard]] const T* data() const { return reinterpret_cast<const T*>(bytes_.data()); }
  [[nodiscard]] std::uint32_t stride() const { return static_cast<std::uint32_t>(stride_); }

 private:
  void put(const T& from, std::size_t i) {
    T copy = from;
    if constexpr (requires { copy.struct_size; }) copy.struct_size = stride();
    std::memcpy(bytes_.data() + i * stride_, static_cast<const void*>(&copy), sizeof copy);
  }
  std::size_t stride_;
  std::string bytes_;
};

}  // namespace lectern::validate
