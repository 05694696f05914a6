import Glibc
import RegistryModel

/// The one place where the mesh reads the wall clock: for certificates' dates and log lines. Everything that waits uses the
/// monotonic clock.
enum WallClock {
    @Sendable
    static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(rawValue: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }
}
