import Foundation
import Synchronization

/// One TCP connection, read and written byte by byte as a test wants it. Every wait ends after ten seconds.
final class Wire: Sendable {
    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    private let descriptor: Int32
    private let unread = Mutex<[UInt8]>([])

    init(taking descriptor: Int32) {
        self.descriptor = descriptor
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    /// - Parameter receiveBuffer: of the socket, in bytes; nil leaves it to the kernel.
    convenience init(port: UInt16, receiveBuffer: Int32? = nil) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        guard withLoopback(port, { connect(descriptor, $0, $1) }) == 0 else {
            Glibc.close(descriptor)
            throw Failed(description: "connect to port \(port): \(String(cString: strerror(errno)))")
        }
        self.init(taking: descriptor)
    }

    deinit {
        Glibc.close(descriptor)
    }

    func send(_ text: String) throws {
        try send(Array(text.utf8))
    }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failed(description: "send: \(String(cString: strerror(errno)))") }
            sent += count
        }
    }

    /// No more from this side; the other may go on.
    func finishSending() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// - Returns: everything up to and with `mark`.
    func read(to mark: String) throws -> String {
        let mark = Array(mark.utf8)
        while true {
            let found: String? = unread.withLock { unread in
                guard let range = unread.firstRange(of: mark) else { return nil }
                defer { unread.removeSubrange(..<range.upperBound) }
                return String(decoding: unread[..<range.upperBound], as: UTF8.self)
            }
            if let found { return found }
            guard try fill() else {
                let left = unread.withLock { String(decoding: $0, as: UTF8.self) }
                throw Failed(description: "the end came before \(mark): \(left)")
            }
        }
    }

    func read(bytes count: Int) throws -> String {
        String(decoding: try readBytes(count), as: UTF8.self)
    }

    func readBytes(_ count: Int) throws -> [UInt8] {
        while unread.withLock({ $0.count }) < count {
            guard try fill() else { throw Failed(description: "the end came before \(count) bytes") }
        }
        return unread.withLock { unread in
            defer { unread.removeSubrange(..<count) }
            return Array(unread[..<count])
        }
    }

    /// Reads everything up to and with `mark`, and keeps none of it.
    ///
    /// - Parameter take: told how many bytes have come, piece by piece.
    func discard(to mark: String, _ take: (Int) -> Void) throws {
        let mark = Array(mark.utf8)
        while true {
            let isEnd = unread.withLock { unread in
                let isEnd = unread.suffix(mark.count).elementsEqual(mark)
                // A part of the mark may be the end of this piece.
                let count = isEnd ? unread.count : max(0, unread.count - mark.count)
                unread.removeSubrange(..<count)
                take(count)
                return isEnd
            }
            if isEnd { return }
            guard try fill() else { throw Failed(description: "the end came before the mark") }
        }
    }

    /// Whether anything comes within so many milliseconds.
    func hasMore(within milliseconds: Int32) -> Bool {
        guard unread.withLock({ $0.isEmpty }) else { return true }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) > 0
    }

    /// - Returns: the rest, once the other end has closed.
    func readToEnd() throws -> String {
        while try fill() {}
        return unread.withLock { unread in
            defer { unread.removeAll() }
            return String(decoding: unread, as: UTF8.self)
        }
    }

    private func fill() throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0, errno == ECONNRESET { return false }
        guard count >= 0 else { throw Failed(description: "recv: \(String(cString: strerror(errno)))") }
        unread.withLock { $0.append(contentsOf: buffer[..<count]) }
        return count > 0
    }
}

/// An application that is written out on its socket: what each connection does is the test's own.
final class WireServer: Sendable {
    let port: UInt16
    private let descriptor: Int32

    /// - Parameter serve: runs on a thread of its own for each connection.
    init(_ serve: @escaping @Sendable (Wire) throws -> Void) throws {
        (descriptor, port) = try Self.listen()
        let listening = descriptor
        Thread.detachNewThread {
            while case let accepted = accept(listening, nil, nil), accepted >= 0 {
                let wire = Wire(taking: accepted)
                Thread.detachNewThread { try? serve(wire) }
            }
        }
    }

    deinit {
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }

    /// On a port whose inbound one, 10,000 above, lies below those that the kernel gives away.
    private static func listen() throws -> (Int32, UInt16) {
        for _ in 0..<100 {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var yes: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
            let port = freeApplicationPort()
            if withLoopback(port, { bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, 128) == 0 {
                return (descriptor, port)
            }
            close(descriptor)
        }
        throw Wire.Failed(description: "no port was free")
    }
}

/// A likely free one; whoever binds it finds out.
func freeApplicationPort() -> UInt16 {
    .random(in: 12_000..<22_000)
}

private func withLoopback(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}
