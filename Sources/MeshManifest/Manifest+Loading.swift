import Glibc

extension Manifest {
    /// A manifest is a page; nothing larger is read.
    static let maximumBytes = 64 * 1_024

    private static let fileNames = ["hms.yml", "hms.yaml"]

    /// Checks the text of a manifest.
    ///
    /// - Parameter file: as errors name it.
    /// - Throws: everything that is wrong with it.
    public init(parsing text: some Collection<UInt8>, file: String) throws(ManifestError) {
        var parser = try ManifestParser(ManifestSource(text, file: file))
        self = try parser.manifest()
    }

    /// Reads and checks a file.
    ///
    /// - Throws: `unreadable`, or everything that is wrong with it.
    public init(contentsOf path: String) throws(ManifestError) {
        try self.init(parsing: try Self.read(path), file: path)
    }

    /// The manifest that holds in a directory: `hms.yml` or `hms.yaml` there, else in the nearest directory above it.
    ///
    /// Above the directory itself only files of this user or of root count: what somebody else has put into `/tmp` must
    /// not choose the commands or the registry of whoever works below it.
    ///
    /// - Returns: the file's path, `hms.yml` where it is in the current directory; nil where there is none.
    /// - Throws: `ambiguous` where both are there.
    public static func find(from directory: String = ".") throws(ManifestError) -> String? {
        if let file = try find(in: directory == "." ? "" : directory + "/", ofOthers: true) { return file }
        guard let resolved = realpath(directory, nil) else { return nil }
        defer { free(resolved) }
        var parts = String(cString: resolved).split(separator: "/")
        while !parts.isEmpty {
            parts.removeLast()
            let above = "/" + parts.map { $0 + "/" }.joined()
            if let file = try find(in: above, ofOthers: false) { return file }
        }
        return nil
    }

    private static func find(in prefix: String, ofOthers: Bool) throws(ManifestError) -> String? {
        let found = fileNames.map { prefix + $0 }.filter { path in
            var status = stat()
            guard stat(path, &status) == 0 else { return false }
            return ofOthers || status.st_uid == geteuid() || status.st_uid == 0
        }
        guard found.count < 2 else {
            throw ManifestError(
                .ambiguous,
                file: found[0],
                "\(fileNames[1]) is there too: which one is meant?",
                hint: "keep one of them"
            )
        }
        return found.first
    }

    private static func read(_ path: String) throws(ManifestError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: maximumBytes + 1)
        while bytes.count <= maximumBytes {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path) }
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        return bytes
    }

    private static func unreadable(_ path: String) -> ManifestError {
        ManifestError(.unreadable, file: path, "can't be read: \(String(cString: strerror(errno)))")
    }
}
