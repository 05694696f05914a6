import Glibc

/// `DATA`: where the registry keeps everything, held by one daemon at a time.
///
///     DATA/lock        held (flock) by the daemon
///     DATA/log/        decisions, for ever
///     DATA/beats/      heartbeats
///     DATA/view/0/     the LMDB view of shard 0, with its mark
///     DATA/keys/       the certificate authority's keys and certificates, and the key that signs checkpoints
///     DATA/checkpoint.note, .vkey   the last checkpoint, and the key to judge it by
///     DATA/reserve     room for the last writes on a full disk
///     DATA/regd.sock   the operator's socket
public final class DataDirectory: Sendable {
    public let path: String
    private let lock: Int32

    /// Makes what is missing (mode 0700) and takes the lock, for as long as this lives.
    ///
    /// - Throws: `data-directory` where it can't be made or written, or another daemon holds it.
    public init(opening path: String) throws(RegistryError) {
        self.path = path
        for directory in [path, path + "/log", path + "/beats", path + "/view"] {
            guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
                throw Self.unusable(path, "can't make \(directory): \(String(cString: strerror(errno)))")
            }
        }
        let descriptor = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Self.unusable(path, "can't write in it: \(String(cString: strerror(errno)))")
        }
        guard Self.takeLock(descriptor) else {
            let holder = Self.holder(descriptor).map { " (pid \($0))" } ?? ""
            close(descriptor)
            throw RegistryError(
                .alreadyHeld,
                "the data directory \(path) can't be used: another hms-regd\(holder) holds it",
                hint: "one daemon a data directory: stop the other, or give this one --data of its own"
            )
        }
        lock = descriptor
        let pid = String(getpid()) + "\n"
        ftruncate(descriptor, 0)
        guard pwrite(descriptor, pid, pid.utf8.count, 0) == pid.utf8.count else {
            // `deinit` closes it: everything is set by now.
            throw Self.unusable(path, "can't write in it: \(String(cString: strerror(errno)))")
        }
    }

    /// Whoever held it may be about to end, or have forked a moment ago: the child bears the lock until its `exec`.
    private static func takeLock(_ descriptor: Int32) -> Bool {
        let patience = ContinuousClock.now + .seconds(1)
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard ContinuousClock.now < patience else { return false }
            usleep(20_000)  // flock(2) waits for ever or not at all
        }
        return true
    }

    deinit {
        close(lock)
    }

    public var log: String { path + "/log" }
    public var beats: String { path + "/beats" }
    public var view: String { path + "/view/0" }
    public var keys: String { path + "/keys" }
    public var reserve: String { path + "/reserve" }
    /// The last checkpoint that was signed.
    public var checkpoint: String { path + "/checkpoint.note" }
    /// The public key that it is signed by.
    public var checkpointKey: String { path + "/checkpoint.vkey" }
    public var socket: String { path + "/regd.sock" }

    /// The pid of the daemon that was the last to hold a data directory; nil where none is on record.
    public static func holder(of path: String) -> Int32? {
        let descriptor = open(path + "/lock", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return holder(descriptor)
    }

    private static func holder(_ descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        let digits = bytes.prefix(max(0, count)).prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return Int32(String(decoding: digits, as: UTF8.self))
    }

    private static func unusable(_ path: String, _ why: String) -> RegistryError {
        RegistryError(.dataDirectory, "the data directory \(path) can't be used: \(why)")
    }
}
