import Glibc

/// A file of the log, with the few operations that durability is made of. Each is one system call, tried again after an
/// interruption, and each can be made to fail by ``Failpoints``.
final class DurableFile {
    let path: String
    private let descriptor: Int32
    private let failpoints: Failpoints?

    enum Mode {
        case create
        case readWrite
        case readOnly
    }

    init(path: String, mode: Mode, failpoints: Failpoints? = nil) throws(EventLogError) {
        let flags: Int32
        switch mode {
        case .create: flags = O_RDWR | O_CREAT | O_TRUNC
        case .readWrite: flags = O_RDWR
        case .readOnly: flags = O_RDONLY
        }
        self.path = path
        self.failpoints = failpoints
        descriptor = retrying { open(path, flags | O_CLOEXEC, 0o600) }
        guard descriptor >= 0 else { throw .system(.fileFailed, "can't open", path) }
    }

    deinit {
        close(descriptor)
    }

    func size() throws(EventLogError) -> UInt64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(.fileFailed, "can't look at", path) }
        return UInt64(clamping: status.st_size)
    }

    /// Reads up to `buffer.count` bytes; fewer at the file's end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(EventLogError) -> Int {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = retrying { pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done)) }
            guard count >= 0 else { throw .system(.fileFailed, "can't read", path) }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Writes all of it. Where it throws, any part may have been written.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(EventLogError) {
        var limit = bytes.count
        var failure: Int32?
        switch failpoints?.hit(.write) {
        case nil: break
        case .refuse(let errno): throw writeFailure(errno)
        case .short(let bytes, let errno): (limit, failure) = (min(limit, bytes), errno)
        case .crash: throw .crashed
        case .crashAfter(let bytes): (limit, failure) = (min(limit, bytes), EIO)
        }
        var done = 0
        while done < limit {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done..<limit])
            let count = retrying { pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done)) }
            guard count > 0 else { throw writeFailure(errno) }
            done += count
        }
        if let failure { throw writeFailure(failure) }
    }

    private func writeFailure(_ error: Int32) -> EventLogError {
        .system(isFull(error) ? .diskFull : .writeFailed, "can't write", path, error)
    }

    /// Puts data, and the size where it changed, on the disk. A failure is never tried again: Linux may have dropped
    /// the very pages and call the next one a success.
    func sync() throws(EventLogError) {
        try check(.sync, .syncFailed, "can't sync") { fdatasync(descriptor) }
    }

    func truncate(to size: UInt64) throws(EventLogError) {
        try check(.truncate, .writeFailed, "can't truncate") { ftruncate(descriptor, off_t(size)) }
    }

    /// Allocates `[offset, offset + length)`, growing the file; the new bytes read as zeros.
    func allocate(at offset: UInt64, length: UInt64) throws(EventLogError) {
        try check(.allocate, .diskFull, "can't allocate") {
            // Returns the error instead of setting errno.
            let result = posix_fallocate(descriptor, off_t(offset), off_t(length))
            errno = result
            return result == 0 ? 0 : -1
        }
    }

    /// Gives a finished file its name, for good: renamed, and the directory synced.
    static func publish(_ from: String, as to: String, failpoints: Failpoints?) throws(EventLogError) {
        try checkPath(failpoints, .rename, "can't rename", from) { rename(from, to) }
        try syncDirectory(of: to, failpoints)
    }

    static func syncDirectory(of path: String, _ failpoints: Failpoints?) throws(EventLogError) {
        let parent = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        try checkPath(failpoints, .syncDirectory, "can't sync the directory of", path) {
            let descriptor = open(parent.isEmpty ? "." : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { return -1 }
            defer { close(descriptor) }
            return fsync(descriptor)
        }
    }

    private func check(
        _ operation: Failpoints.Operation,
        _ code: EventLogError.Code,
        _ what: String,
        _ call: () -> Int32
    ) throws(EventLogError) {
        let error: Int32
        switch failpoints?.hit(operation) {
        case nil: error = retrying(call) == 0 ? 0 : errno
        case .refuse(let errno), .short(_, let errno): error = errno
        case .crash, .crashAfter: throw .crashed
        }
        guard error == 0 else {
            throw .system(code == .diskFull && !isFull(error) ? .writeFailed : code, what, path, error)
        }
    }

    private static func checkPath(
        _ failpoints: Failpoints?,
        _ operation: Failpoints.Operation,
        _ what: String,
        _ path: String,
        _ call: () -> Int32
    ) throws(EventLogError) {
        switch failpoints?.hit(operation) {
        case nil: break
        case .refuse(let errno), .short(_, let errno): throw .system(.fileFailed, what, path, errno)
        case .crash, .crashAfter: throw .crashed
        }
        guard retrying(call) == 0 else { throw .system(.fileFailed, what, path) }
    }
}

extension EventLogError {
    static func system(_ code: Code, _ what: String, _ path: String, _ error: Int32 = Glibc.errno) -> EventLogError {
        EventLogError(code, "\(what) \(path): \(String(cString: strerror(error)))", path: path, errno: error)
    }

    /// What a failpoint leaves behind when it takes the process to be dead.
    static var crashed: EventLogError {
        EventLogError(.dead, "a failpoint ended this process's part")
    }
}

private func isFull(_ error: Int32) -> Bool {
    error == ENOSPC || error == EDQUOT
}

/// Calls again after a signal.
func retrying<R: SignedInteger>(_ call: () -> R) -> R {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
