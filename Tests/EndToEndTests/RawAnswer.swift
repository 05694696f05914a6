import Glibc

/// An HTTP answer, got by writing bytes of our own choice to a Unix socket and reading until the other end closes.
struct RawAnswer: Sendable {
    struct ConnectionFailed: Error {}

    var text: String

    var status: Int {
        Int(text.split(separator: " ", maxSplits: 2).dropFirst().first ?? "") ?? 0
    }

    var body: String {
        text.firstRange(of: "\r\n\r\n").map { String(text[$0.upperBound...]) } ?? ""
    }

    func header(_ name: String) -> String? {
        for line in text.split(separator: "\r\n", omittingEmptySubsequences: false).dropFirst() {
            if line.isEmpty { return nil }
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == name { return String(parts[1].drop { $0 == " " }) }
        }
        return nil
    }

    /// The body of an answer in chunks, put together; empty where they don't end as they should (RFC 9112 §7.1).
    var unchunkedBody: String {
        var rest = Substring(body).utf8
        var whole: [UInt8] = []
        while let end = rest.firstIndex(of: UInt8(ascii: "\r")), let size = Int(String(rest[..<end]) ?? "", radix: 16) {
            rest = rest[end...].dropFirst(2)
            if size == 0 { return String(decoding: whole, as: UTF8.self) }
            whole += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
        }
        return ""
    }

    /// - Parameters:
    ///   - request: written whole, or as far as the other end takes it.
    ///   - pauseMilliseconds: nothing is read for so long afterwards.
    static func of(_ request: String, socket path: String, pauseMilliseconds: UInt32 = 0) throws -> RawAnswer {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard connected == 0 else { throw ConnectionFailed() }
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        let bytes = Array(request.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { break }
            sent += count
        }
        usleep(pauseMilliseconds * 1_000)  // a slow reader, as the caller asks for
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = recv(descriptor, &buffer, buffer.count, 0), count > 0 {
            answer.append(contentsOf: buffer[..<count])
        }
        return RawAnswer(text: String(decoding: answer, as: UTF8.self))
    }
}
