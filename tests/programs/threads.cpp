// Threads of C++: locks, conditions, atomics, futures, exceptions, storage of their own.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <iostream>
#include <map>
#include <mutex>
#include <numeric>
#include <queue>
#include <shared_mutex>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std;

template <class T> class Queue {
    queue<T> items;
    mutex lock;
    condition_variable changed;

  public:
    void push(T item) {
        unique_lock held(lock);
        changed.wait(held, [&] { return items.size() < 4; });
        items.push(move(item));
        changed.notify_all();
    }
    T pop() {
        unique_lock held(lock);
        changed.wait(held, [&] { return !items.empty(); });
        T item = move(items.front());
        items.pop();
        changed.notify_all();
        return item;
    }
};

static thread_local int own = 7;

static void run(int count, auto work) {
    vector<thread> threads;
    for (int n = 0; n < count; n++) threads.emplace_back(work, n);
    for (auto &thread : threads) thread.join();
}

static void counters() {
    long plain = 0;
    atomic<long> exact = 0;
    mutex lock;
    run(8, [&](int n) {
        own += n;
        for (int i = 0; i < 2000; i++) {
            exact += own - n;
            lock_guard held(lock);
            plain++;
        }
    });
    cout << plain << ' ' << exact << ' ' << own << endl;
}

static void queues() {
    Queue<string> texts;
    Queue<size_t> lengths;
    vector<thread> workers;
    for (int n = 0; n < 3; n++)
        workers.emplace_back([&] {
            for (string text = texts.pop(); !text.empty(); text = texts.pop())
                lengths.push(text.size());
        });
    thread feeder([&] {
        for (int n = 1; n <= 60; n++) texts.push(string(n, 'x'));
        for (int n = 0; n < 3; n++) texts.push("");
    });
    size_t sum = 0;
    for (int n = 0; n < 60; n++) sum += lengths.pop();
    feeder.join();
    for (auto &worker : workers) worker.join();
    cout << sum << endl;
}

static void readers() {
    map<int, int> table;
    shared_mutex lock;
    atomic<int> odd = 0;
    run(4, [&](int n) {
        for (int i = 0; i < 200; i++) {
            if (n == 0) {
                unique_lock held(lock);
                table[i] = i;
                table[-i] = -i;
            } else {
                shared_lock held(lock);
                odd += accumulate(table.begin(), table.end(), 0, [](int sum, auto &entry) {
                           return sum + entry.second;
                       }) != 0;
            }
        }
    });
    cout << table.size() << ' ' << odd << endl;
}

static void futures() {
    vector<future<long>> parts;
    for (int n = 0; n < 4; n++)
        parts.push_back(async(launch::async, [n] {
            long sum = 0;
            for (long i = n * 100000L; i < (n + 1) * 100000L; i++) sum += i % 7;
            return sum;
        }));
    long sum = 0;
    for (auto &part : parts) sum += part.get();
    auto failing = async(launch::async, []() -> int { throw runtime_error("thrown there"); });
    try {
        failing.get();
    } catch (const exception &error) {
        cout << sum << ' ' << error.what() << endl;
    }
    promise<int> never;
    auto waited = never.get_future().wait_for(chrono::milliseconds(20));
    once_flag flag;
    atomic<int> times = 0;
    run(4, [&](int) { call_once(flag, [&] { times++; }); });
    cout << (waited == future_status::timeout) << ' ' << times << endl;
}

int main() {
    counters();
    queues();
    readers();
    futures();
    ostringstream text;
    mutex lock;
    condition_variable changed;
    int turn = 0;
    run(3, [&](int n) {
        // The first comes last, so that the others have to wait for it.
        this_thread::sleep_for(chrono::milliseconds(30 - 10 * n));
        unique_lock held(lock);
        changed.wait(held, [&] { return turn == n; });
        text << n;
        turn++;
        changed.notify_all();
    });
    cout << text.str() << endl;
    thread([] { exit(9); }).join();
}
