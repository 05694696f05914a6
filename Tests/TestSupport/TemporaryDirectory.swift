import Glibc

/// Where files live in memory, if there is such a place: a sync costs nothing there.
public let memoryDirectory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"

/// Runs `body` with a fresh directory, which is gone afterwards, whatever happened.
public func withTemporaryDirectory<R>(in parent: String = "/tmp", _ body: (String) throws -> R) throws -> R {
    let directory = try makeTemporaryDirectory(in: parent)
    defer { removeTree(directory) }
    return try body(directory)
}

/// The same for asynchronous tests.
public func withTemporaryDirectory<R>(
    isolation: isolated (any Actor)? = #isolation,
    _ body: (String) async throws -> R
) async throws -> R {
    let directory = try makeTemporaryDirectory(in: "/tmp")
    defer { removeTree(directory) }
    return try await body(directory)
}

/// Copies the files of a directory, and of those in it, as a crash would leave them.
public func copyTree(_ from: String, to: String) throws {
    guard mkdir(to, 0o700) == 0 || errno == EEXIST else { throw SystemFailure("mkdir \(to)") }
    for name in try directoryEntries(from) {
        let source = from + "/" + name
        var status = stat()
        guard lstat(source, &status) == 0 else { throw SystemFailure("lstat \(source)") }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: try copyTree(source, to: to + "/" + name)
        case S_IFREG: try writeFile(to + "/" + name, try readFile(source))
        default: continue
        }
    }
}

public func readFile(_ path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemFailure("open \(path)") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 256 * 1_024)
    while case let count = read(descriptor, &buffer, buffer.count), count > 0 {
        bytes.append(contentsOf: buffer[..<count])
    }
    return bytes
}

public func writeFile(_ path: String, _ bytes: some Collection<UInt8>) throws {
    let bytes = Array(bytes)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw SystemFailure("open \(path)") }
    defer { close(descriptor) }
    var done = 0
    while done < bytes.count {
        let count = bytes[done...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { throw SystemFailure("write \(path)") }
        done += count
    }
}

public func removeFile(_ path: String) throws {
    guard unlink(path) == 0 else { throw SystemFailure("unlink \(path)") }
}

/// Names in a directory, sorted.
public func directoryEntries(_ path: String) throws -> [String] {
    guard let stream = opendir(path) else { throw SystemFailure("opendir \(path)") }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
}

public struct SystemFailure: Error, CustomStringConvertible {
    public let description: String

    public init(_ what: String) {
        description = "\(what): \(String(cString: strerror(errno)))"
    }
}

/// Not below `$TMPDIR`, which may be long: a Unix socket's path has 107 bytes.
private func makeTemporaryDirectory(in parent: String) throws -> String {
    var template = Array("\(parent)/hms-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemFailure("mkdtemp") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

private func removeTree(_ path: String) {
    for name in (try? directoryEntries(path)) ?? [] {
        let entry = path + "/" + name
        var status = stat()
        guard lstat(entry, &status) == 0 else { continue }
        if status.st_mode & S_IFMT == S_IFDIR { removeTree(entry) } else { unlink(entry) }
    }
    rmdir(path)
}
