public import RegistryModel
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// The time of a decision: wall clock for the record, monotonic clock for everything that is measured.
public struct Now: Sendable, Equatable {
    public var time: Timestamp
    public var monotonic: MonotonicTime

    public init(time: Timestamp, monotonic: MonotonicTime) {
        self.time = time
        self.monotonic = monotonic
    }
}

/// Event time: the wall clock at the last step plus monotonic time since, slewed gently towards the wall clock.
///
/// It never decreases between two steps. A difference of over a second is a step: it is for the caller to log it, and
/// then to ``takeStep(to:)``.
public final class RegistryClock: Sendable {
    /// Readings of the machine's two clocks.
    public struct Source: Sendable {
        public var wall: @Sendable () -> Timestamp
        public var monotonic: @Sendable () -> MonotonicTime

        public init(
            wall: @escaping @Sendable () -> Timestamp,
            monotonic: @escaping @Sendable () -> MonotonicTime
        ) {
            self.wall = wall
            self.monotonic = monotonic
        }

        /// `CLOCK_REALTIME` and `CLOCK_MONOTONIC`; the latter stands still while the machine is suspended.
        public static let system = Source(
            wall: { Timestamp(rawValue: read(CLOCK_REALTIME)) },
            monotonic: { MonotonicTime(rawValue: read(CLOCK_MONOTONIC)) }
        )

        private static func read(_ clock: clockid_t) -> Int64 {
            var time = timespec()
            clock_gettime(clock, &time)
            return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
        }
    }

    /// The wall clock was set.
    public struct Step: Sendable, Equatable {
        public var from: Timestamp
        public var to: Timestamp
    }

    public static let stepThreshold = Duration.seconds(1)
    /// At most this many nanoseconds of correction a second, either way.
    private static let slewPerSecond: Int64 = 500_000

    private struct State {
        var base: Timestamp
        var baseAt: MonotonicTime
        var latest: Timestamp
    }

    private let source: Source
    private let state: Mutex<State>

    /// - Parameter floor: the last recorded event's time; a wall clock behind it by less than a step waits there.
    public init(source: Source = .system, floor: Timestamp? = nil) {
        self.source = source
        let wall = source.wall()
        let start = floor.map { max($0, wall) } ?? wall
        let isStep = start.since(wall) > Self.stepThreshold
        self.state = Mutex(
            State(base: isStep ? start : wall, baseAt: source.monotonic(), latest: floor ?? wall)
        )
    }

    public func monotonic() -> MonotonicTime {
        source.monotonic()
    }

    public func now() -> Now {
        let monotonic = source.monotonic()
        let wall = source.wall()
        return state.withLock { state in
            let elapsed = monotonic.since(state.baseAt)
            let flowing = state.base.advanced(by: elapsed)
            let error = wall.since(flowing)
            var time = flowing
            if error <= Self.stepThreshold, error >= .zero - Self.stepThreshold, elapsed >= .milliseconds(100) {
                let limit = elapsed.nanoseconds / 1_000 * Self.slewPerSecond / 1_000_000
                time = flowing.advanced(by: .nanoseconds(max(-limit, min(limit, error.nanoseconds))))
                state.base = time
                state.baseAt = monotonic
            }
            state.latest = max(state.latest, time)
            return Now(time: state.latest, monotonic: monotonic)
        }
    }

    /// Whether the wall clock has been set since: over a second from where event time is.
    public func pendingStep() -> Step? {
        let from = now().time
        let to = source.wall()
        let difference = to.since(from)
        return difference > Self.stepThreshold || difference < .zero - Self.stepThreshold
            ? Step(from: from, to: to) : nil
    }

    /// Event time goes on from `time`, even backwards: the step is on record.
    public func takeStep(to time: Timestamp) {
        let monotonic = source.monotonic()
        state.withLock { $0 = State(base: time, baseAt: monotonic, latest: time) }
    }
}
