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

    func listeningSockets() -> [ListeningSocket] {
        ["tcp", "tcp6"].flatMap { name in
            text(of: "net/\(name)").split(separator: "\n").compactMap { ListeningSocket(line: $0) }
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
        let descriptor = open("\(root)/\(path)", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1_024)
        while bytes.count < Self.fileBytes {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
