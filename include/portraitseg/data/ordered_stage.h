#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "portraitseg/data/ordered_map.h"

namespace portraitseg {

/// What OrderedMap does in front of a computation this does behind it: worker threads work on the items that are put in, and
/// a thread of its own takes the results in the order of put().
template <class Item, class Result>
class OrderedStage {
 public:
  /// @param workers 1 or more; fewer count as 1
  /// @param ahead how many items may be in here; put() waits where it would be more
  /// @param limit what those may weigh that no worker has begun
  OrderedStage(std::int64_t workers, std::int64_t ahead, std::function<Result(Item)> work,
               std::function<void(Result)> take, WeightLimit<Item> limit = {})
      : ahead_(std::max<std::int64_t>(ahead, 1)),
        work_(std::move(work)),
        take_(std::move(take)),
        limit_(std::move(limit)) {
    try {
      threads_.emplace_back([this] { take_results(); });
      for (std::int64_t i = 0; i < std::max<std::int64_t>(workers, 1); ++i)
        threads_.emplace_back([this] { work_on_items(); });
    } catch (...) {  // no more threads to be had
      stop();
      throw;
    }
  }

  /// Leaves undone what has not been begun; finish() comes before.
  ~OrderedStage() { stop(); }

  OrderedStage(const OrderedStage&) = delete;
  OrderedStage& operator=(const OrderedStage&) = delete;

  /// Rethrows what work() or take() threw; nothing more is done then.
  void put(Item item) {
    const std::int64_t weight = limit_.weight(item);
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return stopped_ || may_put(); });
    if (error_) std::rethrow_exception(error_);
    weight_ += weight;
    waiting_.push_back({put_++, weight, std::move(item)});
    lock.unlock();
    changed_.notify_all();
  }

  /// Waits until all results are taken. Rethrows as put().
  void finish() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return stopped_ || taken_ == put_; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  struct Waiting {
    std::int64_t number, weight;
    Item item;
  };

  /// Called with the lock.
  bool may_put() const { return put_ < taken_ + ahead_ && (waiting_.empty() || weight_ < limit_.most); }

  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  /// Calls without the lock. @return false if it threw
  template <class Call>
  bool outside(std::unique_lock<std::mutex>& lock, Call call) {
    std::exception_ptr error;
    lock.unlock();
    try {
      call();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error && !error_) error_ = error;
    if (error) stopped_ = true;
    return !error;
  }

  void work_on_items() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
      if (stopped_) return;
      auto [number, weight, item] = std::move(waiting_.front());
      waiting_.pop_front();
      weight_ -= weight;
      changed_.notify_all();
      std::vector<Result> result;  // of one or none: a Result need not have a default
      const bool done = outside(lock, [&, &item = item] { result.push_back(work_(std::move(item))); });
      if (done) ready_.emplace(number, std::move(result.front()));
      changed_.notify_all();
    }
  }

  void take_results() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopped_ || ready_.count(taken_) > 0; });
      if (stopped_) return;
      Result result = std::move(ready_.extract(taken_).mapped());
      outside(lock, [&] { take_(std::move(result)); });
      ++taken_;
      changed_.notify_all();
    }
  }

  const std::int64_t ahead_;
  const std::function<Result(Item)> work_;
  const std::function<void(Result)> take_;
  const WeightLimit<Item> limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> waiting_;
  std::map<std::int64_t, Result> ready_;
  std::int64_t put_ = 0, taken_ = 0;
  std::int64_t weight_ = 0;  ///< of what is waiting
  std::exception_ptr error_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace portraitseg
