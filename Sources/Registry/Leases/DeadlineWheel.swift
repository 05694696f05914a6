import RegistryModel

/// A hashed timing wheel (Varghese and Lauck 1987, scheme 6): inserting and firing cost the same whatever it holds.
///
/// Deadlines are kept to a tick of 100 ms and never fire early. One beyond the wheel's turn fires at its end, for the
/// owner to look and schedule again: the owner looks anyway, because a beat only moves a time stamp, never an entry.
struct DeadlineWheel<Entry: Sendable>: Sendable {
    static var tick: Duration { .milliseconds(100) }
    private static var slots: Int64 { 1_024 }

    private var buckets: [[Entry]]
    /// The tick that fires next.
    private var next: Int64
    private(set) var count = 0

    init(now: MonotonicTime) {
        buckets = Array(repeating: [], count: Int(Self.slots))
        next = Self.tickNumber(of: now) + 1
    }

    /// Fires `entry` at the first tick at or after `deadline`.
    mutating func schedule(_ entry: Entry, at deadline: MonotonicTime) {
        let due = Self.tickNumber(of: deadline.advanced(by: Self.tick - .nanoseconds(1)))
        let slot = max(next, min(due, next + Self.slots - 1))
        buckets[Int(slot % Self.slots)].append(entry)
        count += 1
    }

    /// Everything that is due by `now`, which may be many ticks after the last call.
    mutating func advance(to now: MonotonicTime) -> [Entry] {
        let current = Self.tickNumber(of: now)
        guard current >= next else { return [] }
        var due: [Entry] = []
        // After a long stall each bucket is emptied once.
        let last = min(current, next + Self.slots - 1)
        for tick in next...last {
            let index = Int(tick % Self.slots)
            due.append(contentsOf: buckets[index])
            buckets[index].removeAll(keepingCapacity: true)
        }
        next = current + 1
        count -= due.count
        return due
    }

    private static func tickNumber(of time: MonotonicTime) -> Int64 {
        max(0, time.rawValue) / tick.nanoseconds
    }
}
