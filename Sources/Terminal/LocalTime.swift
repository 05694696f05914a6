import Glibc

/// Wall-clock times as people see them: in this machine's zone, said once.
public enum LocalTime {
    /// `2026-11-24 09:05:58 EST`
    public static func full(unixSeconds: Int64) -> String {
        text(unixSeconds, "%Y-%m-%d %H:%M:%S %Z")
    }

    /// `09:05:58`
    public static func clock(unixSeconds: Int64) -> String {
        text(unixSeconds, "%H:%M:%S")
    }

    /// `EST`
    public static func zone(unixSeconds: Int64) -> String {
        text(unixSeconds, "%Z")
    }

    private static func text(_ unixSeconds: Int64, _ format: String) -> String {
        var seconds = time_t(unixSeconds)
        var parts = tm()
        guard localtime_r(&seconds, &parts) != nil else { return String(unixSeconds) }
        var buffer = [CChar](repeating: 0, count: 64)
        let count = strftime(&buffer, buffer.count, format, &parts)
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
