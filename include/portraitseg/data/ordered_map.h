#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace portraitseg {

/// Bounds what waits in an OrderedMap or an OrderedStage besides its number: none is begun, or put in, where those that wait
/// weigh so much. A single one may weigh more.
template <class Item>
struct WeightLimit {
  std::function<std::int64_t(const Item&)> weight = [](const Item&) { return 0; };
  std::int64_t most = 1;
};

/// Computes make(0) ... make(count - 1) on worker threads and hands the results out in this order, so that what the
/// caller sees does not depend on the number of workers. With 0 workers the caller's thread computes.
template <class Item>
class OrderedMap {
 public:
  /// @param ahead how many results may wait to be taken  @param limit what they may weigh
  OrderedMap(std::int64_t count, std::int64_t workers, std::int64_t ahead,
             std::function<Item(std::int64_t)> make, WeightLimit<Item> limit = {})
      : count_(count), ahead_(std::max(ahead, workers)), make_(std::move(make)), limit_(std::move(limit)) {
    try {
      for (std::int64_t i = 0; i < std::min(workers, count); ++i) threads_.emplace_back([this] { work(); });
    } catch (...) {  // no more threads to be had
      stop();
      throw;
    }
  }

  ~OrderedMap() { stop(); }

  OrderedMap(const OrderedMap&) = delete;
  OrderedMap& operator=(const OrderedMap&) = delete;

  /// The next result, or nothing after the last. Rethrows what make() threw for it.
  std::optional<Item> next() {
    if (taken_ == count_) return std::nullopt;
    if (threads_.empty()) return make_(taken_++);
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return ready_.count(taken_) > 0; });
    Result result = std::move(ready_.extract(taken_++).mapped());
    weight_ -= result.weight;
    lock.unlock();
    changed_.notify_all();
    if (result.error) std::rethrow_exception(result.error);
    return std::move(result.item);
  }

 private:
  struct Result {
    std::optional<Item> item;
    std::exception_ptr error;
    std::int64_t weight = 0;
  };

  /// Called with the lock. The one that is waited for is begun in any case.
  bool may_begin() const {
    return started_ == taken_ || (started_ < taken_ + ahead_ && weight_ < limit_.most);
  }

  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  void work() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopped_ || started_ == count_ || may_begin(); });
      if (stopped_ || started_ == count_) return;
      const std::int64_t index = started_++;
      lock.unlock();
      Result result;
      try {
        result.item = make_(index);
        result.weight = limit_.weight(*result.item);
      } catch (...) {
        result.error = std::current_exception();
      }
      lock.lock();
      weight_ += result.weight;
      ready_.emplace(index, std::move(result));
      changed_.notify_all();
    }
  }

  const std::int64_t count_;
  const std::int64_t ahead_;
  const std::function<Item(std::int64_t)> make_;
  const WeightLimit<Item> limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::int64_t, Result> ready_;
  std::int64_t started_ = 0;
  std::int64_t taken_ = 0;
  std::int64_t weight_ = 0;  ///< of what is ready
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace portraitseg
