import Glibc

/// Tells the service manager that started this process how it is (sd_notify(3)): lines in a datagram to the socket that
/// `NOTIFY_SOCKET` names. Without one, nobody asked.
public struct ServiceManager: Sendable {
    private let socketPath: String?
    /// How often it wants to hear that this process is alive; nil: it does not.
    public let watchdog: Duration?

    /// - Parameters:
    ///   - environment: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` of it.
    ///   - pid: this process where nil; a watchdog that is meant for another is none of ours.
    public init(environment: (String) -> String?, pid: Int32? = nil) {
        socketPath = environment("NOTIFY_SOCKET").flatMap { $0.isEmpty ? nil : $0 }
        let isOurs = environment("WATCHDOG_PID").map { Int32($0) == pid ?? getpid() } ?? true
        let microseconds = environment("WATCHDOG_USEC").flatMap { Int64($0) } ?? 0
        watchdog = socketPath != nil && isOurs && microseconds > 0 ? .microseconds(microseconds) : nil
    }

    public func ready(_ status: String) {
        send("READY=1\nSTATUS=\(Self.line(status))")
    }

    public func stopping() {
        send("STOPPING=1\nSTATUS=stopping")
    }

    public func isAlive() {
        send("WATCHDOG=1")
    }

    /// A manager that has gone hears nothing, and nothing here depends on whether it does.
    private func send(_ message: String) {
        guard let socketPath else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var path = Array(socketPath.utf8)
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        // Of the abstract namespace: its name begins with a zero, and has its length's end.
        if path.first == UInt8(ascii: "@") { path[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? MemoryLayout<sa_family_t>.size
        let length = socklen_t(offset + path.count)
        let bytes = Array(message.utf8)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }

    private static func line(_ text: String) -> String {
        String(text.prefix { $0 != "\n" })
    }
}
