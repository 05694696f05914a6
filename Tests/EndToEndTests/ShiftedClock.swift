import TestSupport

/// Moves the wall clock of a program, and no other: libfaketime moves the monotonic clock along, from which a program's
/// timers then never wake.
enum ShiftedClock {
    /// CLOCK_REALTIME is 0, CLOCK_REALTIME_COARSE 5.
    private static let source = """
        #define _GNU_SOURCE
        #include <stdlib.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <time.h>
        #include <unistd.h>
        static long shift(void) {
            const char *seconds = getenv("SHIFTED_CLOCK_SECONDS");
            return seconds ? atol(seconds) : 0;
        }
        int clock_gettime(clockid_t clock, struct timespec *time) {
            long result = syscall(SYS_clock_gettime, clock, time);
            if (result == 0 && (clock == 0 || clock == 5)) time->tv_sec += shift();
            return (int)result;
        }
        int gettimeofday(struct timeval *restrict time, void *restrict zone) {
            struct timespec now;
            if (clock_gettime(0, &now)) return -1;
            time->tv_sec = now.tv_sec;
            time->tv_usec = now.tv_nsec / 1000;
            return 0;
        }
        time_t time(time_t *result) {
            struct timespec now;
            clock_gettime(0, &now);
            if (result) *result = now.tv_sec;
            return now.tv_sec;
        }

        """

    /// Builds the library by Swift's own C compiler.
    ///
    /// - Returns: the environment of a program whose clock is off by so many seconds.
    static func environment(seconds: Int, in directory: String) throws -> [String: String] {
        let library = directory + "/shifted-clock.so"
        try writeFile(directory + "/shifted-clock.c", Array(source.utf8))
        let built = try runShell(
            "$(command -v clang || echo cc) -shared -fPIC -O1 -w -o '\(library)' '\(directory)/shifted-clock.c'"
        )
        guard built.status == 0 else { throw SystemFailure("no library by clang or cc: \(built.output)") }
        return ["LD_PRELOAD": library, "SHIFTED_CLOCK_SECONDS": "\(seconds)"]
    }
}
