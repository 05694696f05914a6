import Glibc

/// A user's directories as they are on disk: made when they are needed, and closed to everybody else.
public enum StateDirectories {
    /// Makes a directory and what is missing above it, each with mode 0700; what is there stays as it is.
    ///
    /// - Throws: `storage` where it can't be made, or is no directory.
    public static func make(_ path: String) throws(SupervisionError) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) == 0 || errno == EEXIST || errno == EROFS || errno == EACCES else {
                throw .system(.storage, "can't make \(made)")
            }
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw .system(.storage, "can't make \(path)") }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw SupervisionError(.storage, "\(path) is no directory") }
    }

    /// Replaces a file as one step: readers see the old text or the new one (mode 0600).
    ///
    /// - Throws: `storage`; the file is as it was.
    public static func replace(_ path: String, with text: String) throws(SupervisionError) {
        let temporary = path + ".\(getpid()).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .system(.storage, "can't write \(temporary)") }
        defer { close(descriptor) }
        guard write(descriptor, text, text.utf8.count) == text.utf8.count, fdatasync(descriptor) == 0,
            rename(temporary, path) == 0
        else {
            let error = SupervisionError.system(.storage, "can't write \(path)")
            unlink(temporary)
            throw error
        }
    }
}
