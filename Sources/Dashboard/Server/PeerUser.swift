import Glibc
import NIOCore

/// Whose the other end of a connection over loopback is, by the kernel's tables (proc(5)): other users of the machine are
/// shown nothing.
enum PeerUser {
    /// - Returns: nil where the tables don't tell.
    static func id(remote: SocketAddress?, local: SocketAddress?) -> UInt32? {
        guard let remote, let local, let peer = ends(remote), let own = ends(local) else { return nil }
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            guard let text = contents(of: table) else { continue }
            if let found = id(in: text, peer: peer, own: own) { return found }
        }
        return nil
    }

    /// - Parameters:
    ///   - peer: the ways in which the table may write the other end.
    ///   - own: likewise this end.
    static func id(in table: String, peer: [String], own: [String]) -> UInt32? {
        for line in table.split(separator: "\n").dropFirst() {
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count > 7, peer.contains(String(fields[1])), own.contains(String(fields[2])) else { continue }
            return UInt32(fields[7])
        }
        return nil
    }

    /// `0100007F:2332`: words of 32 bits in this machine's order, then the port. An IPv4 address may stand in an IPv6 socket.
    private static func ends(_ address: SocketAddress) -> [String]? {
        let bytes = address.withSockAddr { pointer, size in
            Array(UnsafeRawBufferPointer(start: pointer, count: size))
        }
        guard bytes.count >= 8 else { return nil }
        let port = hex(UInt16(bytes[2]) << 8 | UInt16(bytes[3]), digits: 4)
        switch address.protocol {
        case .inet:
            let mapped = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + bytes[4..<8]
            return ["\(words(bytes[4..<8])):\(port)", "\(words(mapped[...])):\(port)"]
        case .inet6:
            // Behind family, port and flow information.
            return bytes.count >= 24 ? ["\(words(bytes[8..<24])):\(port)"] : nil
        default: return nil
        }
    }

    private static func words(_ bytes: ArraySlice<UInt8>) -> String {
        bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 4).map { offset in
                hex(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self), digits: 8)
            }.joined()
        }
    }

    private static func hex(_ value: some FixedWidthInteger, digits: Int) -> String {
        let text = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }

    private static func contents(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = Glibc.read(descriptor, &chunk, chunk.count), count > 0 { bytes += chunk[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
