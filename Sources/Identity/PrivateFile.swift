import Glibc

/// Files of a key, its certificates and the like, and the folders that they lie in: only their owner's.
public enum PrivateFile {
    /// Written beside with mode 0600, synced, and renamed: readers see the old text or the new one, never half of it.
    ///
    /// - Throws: `storage`; the file is as it was.
    public static func write(_ text: String, to path: String) throws(IdentityError) {
        let temporary = "\(path).\(getpid())\(unfinished)"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .storage("can't write", temporary) }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count, fdatasync(descriptor) == 0,
            rename(temporary, path) == 0
        else {
            let error = IdentityError.storage("can't write", path)
            unlink(temporary)
            throw error
        }
    }

    private static let unfinished = ".new"

    /// Removes what writers of this file left that were killed before they could rename it. For the only writer that there
    /// can be: another's unfinished file would go too.
    public static func removeLeftovers(of path: String) {
        var found = glob_t()
        defer { globfree(&found) }
        let pattern = path.flatMap { "\\*?[".contains($0) ? "\\\($0)" : "\($0)" }
        guard glob(String(pattern) + ".*" + unfinished, 0, nil, &found) == 0, let paths = found.gl_pathv else { return }
        for index in 0..<Int(found.gl_pathc) {
            if let leftover = paths[index] { unlink(leftover) }
        }
    }

    /// Once it returns, what was renamed inside is so after a power cut too.
    ///
    /// - Throws: `storage`.
    public static func syncDirectory(_ path: String) throws(IdentityError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .storage("can't sync", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .storage("can't sync", path) }
    }

    /// - Parameter limit: bytes; a larger file is none of these.
    /// - Returns: nil where there is none.
    /// - Throws: `storage` where it can't be read, is too large, or is no text.
    public static func read(_ path: String, limit: Int = 256 * 1_024) throws(IdentityError) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno == ENOENT || errno == ENOTDIR else { throw .storage("can't read", path) }
            return nil
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1_024)
        while case let count = Glibc.read(descriptor, &buffer, buffer.count), count != 0 {
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .storage("can't read", path) }
            bytes.append(contentsOf: buffer[..<count])
            guard bytes.count <= limit else { throw IdentityError(.storage, "\(path) is larger than any such file") }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw IdentityError(.storage, "\(path) is no text")
        }
        return text
    }

    /// Makes a folder and what is missing above it, each with mode 0700; what is there stays as it is.
    ///
    /// - Throws: `storage` where it can't be made, or is no folder.
    public static func makeDirectory(_ path: String) throws(IdentityError) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) == 0 || errno == EEXIST || errno == EROFS || errno == EACCES else {
                throw .storage("can't make", made)
            }
        }
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno == ENOTDIR else { throw .storage("can't make", path) }
            throw IdentityError(.storage, "\(path) is no directory")
        }
        close(descriptor)
    }
}

extension IdentityError {
    /// What the system refused, in its own words.
    static func storage(_ what: String, _ path: String) -> IdentityError {
        IdentityError(.storage, "\(what) \(path): \(String(cString: strerror(errno)))")
    }
}
