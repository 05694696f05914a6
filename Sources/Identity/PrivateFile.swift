import Glibc

/// A file of a key or its certificates: only its owner's.
public enum PrivateFile {
    /// Written beside with mode 0600, synced, and renamed: never half a file under its own name.
    ///
    /// - Throws: `storage`.
    public static func write(_ text: String, to path: String) throws(IdentityError) {
        let temporary = path + ".new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .storage("can't write", temporary) }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count, fdatasync(descriptor) == 0,
            rename(temporary, path) == 0
        else { throw .storage("can't write", path) }
    }
}

extension IdentityError {
    /// What the system refused, in its own words.
    static func storage(_ what: String, _ path: String) -> IdentityError {
        IdentityError(.storage, "\(what) \(path): \(String(cString: strerror(errno)))")
    }
}
