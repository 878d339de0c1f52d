#include "isolation/news.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "isolation/wire.hpp"

namespace lectern::isolation {

namespace {

constexpr std::size_t most = 64;

std::string text(Unpacker& from, std::size_t longest) {
  return std::string(from.text().substr(0, longest));
}

}  // namespace

std::string News::write() const {
  Packer to;
  const auto metric_count = std::min(metrics.size(), most), breach_count = std::min(breaches.size(), most);
  to.number(static_cast<std::uint32_t>(metric_count));
  for (std::size_t i = 0; i < metric_count; ++i) {
    const Metric& one = metrics[i];
    to.number(one.number);
    to.number<std::uint8_t>(one.counter ? 1 : 0);
    to.text(std::string_view(one.name));
    to.text(std::string_view(one.help));
    to.number(one.value);
  }
  to.number(static_cast<std::uint32_t>(breach_count));
  for (std::size_t i = 0; i < breach_count; ++i) {
    const Breach& one = breaches[i];
    to.number<std::uint8_t>(one.of_host ? 1 : 0);
    for (const std::string_view words : {one.tag, one.where, one.what}) to.text(words);
    to.number(one.count);
  }
  to.number(dropped_lines);
  return std::move(to.bytes());
}

News News::read(std::string_view bytes) {
  News out;
  Unpacker from(bytes);
  const auto metric_count = from.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < metric_count && i < most && from.ok(); ++i) {
    Metric one;
    one.number = from.number<std::uint64_t>();
    one.counter = from.number<std::uint8_t>() != 0;
    one.name = text(from, 64);
    one.help = text(from, 4096);
    one.value = from.number<double>();
    if (from.ok() && std::isfinite(one.value)) out.metrics.push_back(std::move(one));
  }
  const auto breach_count = from.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < breach_count && i < most && from.ok(); ++i) {
    Breach one;
    one.of_host = from.number<std::uint8_t>() != 0;
    one.tag = text(from, 64);
    one.where = text(from, 128);
    one.what = text(from, 400);
    one.count = from.number<std::uint64_t>();
    if (from.ok()) out.breaches.push_back(std::move(one));
  }
  out.dropped_lines = from.number<std::uint64_t>();
  return from.ok() ? out : News{};
}

News NewsSteps::step(News told) {
  for (auto& one : told.metrics) {
    if (!one.counter) continue;
    double& last = counters_[one.number];
    const double before = std::exchange(last, std::max(last, one.value));
    one.value = std::max(0.0, one.value - before);
  }
  if (counters_.size() > most) counters_.clear();  // numbers that no plugin may have
  for (auto& one : told.breaches) {
    auto& last = breaches_[{one.of_host, one.tag, one.where, one.what}];
    const auto before = std::exchange(last, std::max(last, one.count));
    one.count = one.count > before ? one.count - before : 0;
  }
  if (breaches_.size() > most) breaches_.clear();
  std::erase_if(told.breaches, [](const News::Breach& one) { return one.count == 0; });
  const auto before = std::exchange(dropped_lines_, std::max(dropped_lines_, told.dropped_lines));
  told.dropped_lines = told.dropped_lines > before ? told.dropped_lines - before : 0;
  return told;
}

void NewsSteps::begin_anew() {
  *this = {};
}

}  // namespace lectern::isolation
