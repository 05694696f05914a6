import NIOCore

/// Something that is to happen at a time unless it is called off: the one timer of a call, which it keeps alive for as long as
/// it is set.
final class WheelTimer {
    fileprivate var bucket = -1
    fileprivate var index = 0
    fileprivate(set) var due = NIODeadline.distantFuture
    fileprivate var target: (any WheelTarget)?
}

protocol WheelTarget: AnyObject {
    func timerFired(now: NIODeadline)
}

/// A hashed timing wheel (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987): setting and calling off cost
/// a few array writes, which a call pays twice. Fires up to one ``tick`` late, never early.
final class TimerWheel {
    static let tick = TimeAmount.milliseconds(10)
    private static let buckets = 1_024

    private let loop: any EventLoop
    private var timers: [[WheelTimer]] = Array(repeating: [], count: TimerWheel.buckets)
    private var count = 0
    private var turned: Int64
    private var isTicking = false

    init(loop: any EventLoop) {
        self.loop = loop
        turned = Self.slot(.now())
    }

    func set(_ timer: WheelTimer, for target: any WheelTarget, at due: NIODeadline, now: NIODeadline) {
        clear(timer)
        timer.target = target
        timer.due = due
        // Beyond one turn of the wheel it is passed over until its turn comes.
        let slot = max(Self.slot(due) + 1, turned + 1)
        timer.bucket = Int(slot % Int64(Self.buckets))
        timer.index = timers[timer.bucket].count
        timers[timer.bucket].append(timer)
        count += 1
        if !isTicking {
            turned = max(turned, Self.slot(now) - 1)
            isTicking = true
            scheduleTick()
        }
    }

    func clear(_ timer: WheelTimer) {
        guard timer.bucket >= 0 else { return }
        let last = timers[timer.bucket].removeLast()
        if last !== timer {
            timers[timer.bucket][timer.index] = last
            last.index = timer.index
        }
        timer.bucket = -1
        timer.target = nil
        count -= 1
    }

    private func scheduleTick() {
        loop.assumeIsolated().scheduleTask(in: Self.tick) { [self] in turn(now: .now()) }
    }

    private func turn(now: NIODeadline) {
        let until = Self.slot(now)
        // A loop that stood still for longer than a turn looks at each bucket once.
        var slot = max(turned + 1, until - Int64(Self.buckets) + 1)
        while slot <= until {
            fire(Int(slot % Int64(Self.buckets)), now)
            slot += 1
        }
        turned = max(turned, until)
        if count > 0 { scheduleTick() } else { isTicking = false }
    }

    private func fire(_ bucket: Int, _ now: NIODeadline) {
        let due = timers[bucket].filter { $0.due <= now }
        for timer in due where timer.bucket == bucket && timer.due <= now {
            let target = timer.target
            clear(timer)
            target?.timerFired(now: now)
        }
    }

    private static func slot(_ time: NIODeadline) -> Int64 {
        Int64(time.uptimeNanoseconds) / tick.nanoseconds
    }
}
