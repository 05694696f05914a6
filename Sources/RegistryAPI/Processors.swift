import Glibc

/// Processors that this process may use.
enum Processors {
    private static let mostEventLoops = 8

    /// By the scheduler's word, which containers and `taskset` narrow, and not more than serve a registry well.
    static var eventLoops: Int {
        max(1, min(allowed(readStatus()) ?? 1, mostEventLoops))
    }

    /// The bits set in `Cpus_allowed` of proc(5)'s status file: hexadecimal, a comma between each eight digits.
    static func allowed(_ status: String) -> Int? {
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed:") }) else {
            return nil
        }
        let digits = line.dropFirst("Cpus_allowed:".count).compactMap(\.hexDigitValue)
        return digits.isEmpty ? nil : digits.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    private static func readStatus() -> String {
        let descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
