import Glibc

/// Who listens on a TCP port of this machine, by the kernel's tables (proc(5)).
public struct PortOwner: Sendable, Equatable {
    /// nil where it is another user's, whom this one may not look into.
    public var pid: Int32?
    /// `node`; empty with no pid.
    public var command: String
    /// Where it listens: `127.0.0.1`, `0.0.0.0`, `::`.
    public var addresses: [ListeningSocket.Address]

    /// Whether it can be reached from other machines.
    public var isExposed: Bool {
        addresses.contains { !$0.isLoopback }
    }

    /// `node (pid 4127)`, or what can be said of it.
    public var description: String {
        pid.map { "\(command) (pid \($0))" } ?? "another user's process"
    }

    /// Everybody who listens on the port, the processes that this user may look into first.
    public static func of(port: UInt16, in proc: ProcessTable = ProcessTable()) -> [PortOwner] {
        of(proc.listeningSockets(on: port), in: proc)
    }

    /// Everybody who holds one of the sockets. It looks through all of the machine's processes.
    static func of(_ sockets: [ListeningSocket], in proc: ProcessTable) -> [PortOwner] {
        guard !sockets.isEmpty else { return [] }
        var found: [PortOwner] = []
        var unclaimed = sockets
        for (pid, inodes) in proc.processesHolding(Set(sockets.map(\.inode))) {
            let own = sockets.filter { inodes.contains($0.inode) }
            unclaimed.removeAll { inodes.contains($0.inode) }
            found.append(PortOwner(pid: pid, command: proc.command(of: pid), addresses: own.map(\.address)))
        }
        if !unclaimed.isEmpty { found.append(PortOwner(pid: nil, command: "", addresses: unclaimed.map(\.address))) }
        return found
    }

    /// Whether the owner is `ancestor`, or was started by it or by what it started.
    public func descends(from ancestor: Int32, in proc: ProcessTable = ProcessTable()) -> Bool {
        pid.map { proc.descends($0, from: ancestor) } ?? false
    }
}

/// A line of `/proc/net/tcp` or `tcp6` in the state LISTEN.
public struct ListeningSocket: Sendable, Equatable {
    public struct Address: Sendable, Equatable, CustomStringConvertible {
        /// In network order: 4 or 16 bytes.
        let bytes: [UInt8]

        public var isLoopback: Bool {
            if bytes.count == 4 { return bytes[0] == 127 }
            if let mapped { return mapped[0] == 127 }
            return bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
        }

        /// The IPv4 address that an IPv6 one stands for (`::ffff:127.0.0.1`).
        private var mapped: ArraySlice<UInt8>? {
            guard bytes.count == 16, bytes[..<10].allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF else {
                return nil
            }
            return ArraySlice(Array(bytes[12...]))
        }

        public var description: String {
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            let family = bytes.count == 4 ? AF_INET : AF_INET6
            guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return "?" }
            return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    public var address: Address
    public var port: UInt16
    public var inode: UInt64

    private static let listening = "0A"

    /// nil for the header, for another state, and for what is no such line.
    ///
    ///     sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
    ///      0: 0100007F:1B58 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 23456 …
    init?(line: Substring) {
        let fields = line.split(separator: " ")
        guard fields.count >= 10, fields[3] == Self.listening, let inode = UInt64(fields[9]) else { return nil }
        let local = fields[1].split(separator: ":")
        guard local.count == 2, let port = UInt16(local[1], radix: 16), let bytes = Self.bytes(local[0]) else {
            return nil
        }
        self.address = Address(bytes: bytes)
        self.port = port
        self.inode = inode
    }

    /// Words of 32 bits in this machine's byte order, as the kernel prints them.
    private static func bytes(_ text: Substring) -> [UInt8]? {
        guard text.utf8.count == 8 || text.utf8.count == 32 else { return nil }
        var bytes: [UInt8] = []
        var rest = text
        while !rest.isEmpty {
            guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            withUnsafeBytes(of: word) { bytes.append(contentsOf: $0) }
            rest = rest.dropFirst(8)
        }
        return bytes
    }
}
