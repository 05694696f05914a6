import Glibc
import RegistryModel

/// A value that threads of our own share, and can wait for changes of: a mutex with a condition variable.
///
/// For threads that block by design (a shard's writer, the beat writer). Never wait in one from an event loop or a task.
final class Monitor<Value>: @unchecked Sendable {  // every access to `value` holds `mutex`
    private var value: Value
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    init(_ value: sending Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Changes the value and wakes whoever waits.
    func withLock<R>(_ body: (inout Value) throws -> R) rethrows -> R {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        return try body(&value)
    }

    /// Changes the value without waking anybody: whoever waits looks at its own time.
    func quietly<R>(_ body: (inout Value) throws -> R) rethrows -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }

    /// Looks, without waking anybody.
    func peek<R>(_ body: (Value) throws -> R) rethrows -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(value)
    }

    /// Blocks until `body` returns something, or, with a timeout, until that has passed: nil then.
    func wait<R>(timeout: Duration? = nil, for body: (inout Value) -> R?) -> R? {
        let deadline = timeout.map { timeout -> timespec in
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            let nanoseconds = Int64(time.tv_nsec) &+ timeout.nanoseconds
            time.tv_sec += Int(nanoseconds / 1_000_000_000)
            time.tv_nsec = Int(nanoseconds % 1_000_000_000)
            return time
        }
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&value) { return result }
            guard var deadline else {
                pthread_cond_wait(condition, mutex)
                continue
            }
            if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT {
                return body(&value)
            }
        }
    }
}

/// A thread of our own, for work that blocks: it runs `body` once and ends.
struct WorkerThread: Sendable {
    private let finished = Monitor(false)

    /// - Parameter name: at most 15 bytes, shown by `ps -T` and perf.
    init(name: String, _ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Body(name: name, finished: finished, run: body))
        var thread = pthread_t()
        let result = pthread_create(&thread, nil, { threadMain($0) }, box.toOpaque())
        precondition(result == 0, "this process may not start another thread: error \(result)")
        pthread_detach(thread)
    }

    /// Blocks until the body has returned.
    func join() {
        _ = finished.wait { $0 ? true : nil }
    }

    fileprivate final class Body: Sendable {
        let name: String
        let finished: Monitor<Bool>
        let run: @Sendable () -> Void

        init(name: String, finished: Monitor<Bool>, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.finished = finished
            self.run = run
        }
    }
}

/// What `ps -T` and perf show; a thread without a name works as well.
private func nameThisThread(_ name: String) {
    let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = write(descriptor, name, min(15, name.utf8.count))
    close(descriptor)
}

/// Hands a value that is not `Sendable` to the one thread that owns it from then on.
struct Handover<Value>: @unchecked Sendable {  // its maker lets go of the value; one new owner takes it
    let value: Value
}

private func threadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    runBody(argument).withLock { $0 = true }
    return nil
}

/// What the body held is let go of before whoever joins goes on: a data directory's lock, for one.
private func runBody(_ argument: UnsafeMutableRawPointer) -> Monitor<Bool> {
    let body = Unmanaged<WorkerThread.Body>.fromOpaque(argument).takeRetainedValue()
    nameThisThread(body.name)
    body.run()
    return body.finished
}
