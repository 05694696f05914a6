import Glibc

/// The kernel's tables of processes and sockets (proc(5)). What can't be read is passed over: processes come and go while
/// one looks.
public struct ProcessTable: Sendable {
    private static let fileBytes = 4 * 1_024 * 1_024
    /// How far up one goes: no tree of processes is as high.
    private static let generations = 256

    private let root: String

    /// - Parameter root: where proc is mounted.
    public init(root: String = "/proc") {
        self.root = root
    }

    /// The kernel prints all sockets that listen before any that is connected (its Documentation/networking/proc_net_tcp), so
    /// that one with ten thousand connections costs no more to look at than an idle one.
    func listeningSockets(on port: UInt16) -> [ListeningSocket] {
        ["tcp", "tcp6"].flatMap { name in
            var found: [ListeningSocket] = []
            var isHeading = true
            forEachLine(of: "net/\(name)") { line in
                defer { isHeading = false }
                guard let socket = ListeningSocket(line: line) else { return isHeading }
                if socket.port == port { found.append(socket) }
                return true
            }
            return found
        }
    }

    /// The processes that have one of the sockets open, the oldest id first, each with what it holds of them.
    func processesHolding(_ inodes: Set<UInt64>) -> [(pid: Int32, inodes: Set<UInt64>)] {
        entries(of: "").compactMap { Int32($0) }.sorted().compactMap { pid in
            let held = Set(entries(of: "\(pid)/fd").compactMap { socket("\(pid)/fd/\($0)") }).intersection(inodes)
            return held.isEmpty ? nil : (pid, held)
        }
    }

    /// The program's short name.
    func command(of pid: Int32) -> String {
        String(text(of: "\(pid)/comm").prefix { $0 != "\n" }.filter { !$0.isNewline })
    }

    /// Whether `pid` is `ancestor`, below it, or in its process group: a daemon's parent has gone, its group has not.
    func descends(_ pid: Int32, from ancestor: Int32) -> Bool {
        var current = pid
        for _ in 0..<Self.generations {
            if current == ancestor { return true }
            guard let place = placement(of: current) else { return false }
            if place.group == ancestor { return true }
            guard place.parent > 1 else { return false }
            current = place.parent
        }
        return false
    }

    /// `pid (name) state ppid pgrp …`; the name may hold anything, so one reads from the last bracket on.
    private func placement(of pid: Int32) -> (parent: Int32, group: Int32)? {
        let line = text(of: "\(pid)/stat")
        guard let bracket = line.lastIndex(of: ")") else { return nil }
        let fields = line[line.index(after: bracket)...].split(separator: " ")
        guard fields.count >= 3, let parent = Int32(fields[1]), let group = Int32(fields[2]) else { return nil }
        return (parent, group)
    }

    // MARK: Reading

    /// `socket:[23456]`
    private func socket(_ path: String) -> UInt64? {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = readlink("\(root)/\(path)", &buffer, buffer.count)
        guard count > 0 else { return nil }
        let target = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard target.hasPrefix("socket:["), target.hasSuffix("]") else { return nil }
        return UInt64(target.dropFirst(8).dropLast())
    }

    func entries(of path: String) -> [String] {
        DirectoryListing.names(in: "\(root)/\(path)")
    }

    func text(of path: String) -> String {
        var bytes: [UInt8] = []
        forEachPiece(of: path) { piece in
            bytes += piece
            return bytes.count < Self.fileBytes
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads on for as long as `body` wants more.
    private func forEachLine(of path: String, _ body: (Substring) -> Bool) {
        var rest: [UInt8] = []
        forEachPiece(of: path) { piece in
            rest += piece
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Substring(decoding: rest[..<end], as: UTF8.self)
                rest.removeSubrange(...end)
                guard body(line) else { return false }
            }
            return rest.count < Self.fileBytes
        }
    }

    private func forEachPiece(of path: String, _ body: (ArraySlice<UInt8>) -> Bool) {
        let descriptor = open("\(root)/\(path)", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 4 * 1_024)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0, body(buffer[..<count]) else { return }
        }
    }
}
