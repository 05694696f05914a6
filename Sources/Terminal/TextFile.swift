import Glibc

/// Small files that a command is pointed at: certificates, tokens.
public enum TextFile {
    private static let mostBytes = 256 * 1_024

    /// - Parameter path: `-` for standard input.
    /// - Throws: exit code 3 where it can't be read as text, or is larger than any such file.
    public static func contents(of path: String) throws -> String {
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw CommandError("can't read \(path): \(String(cString: strerror(errno)))", exitCode: .unreachable)
        }
        defer { if path != "-" { close(descriptor) } }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1_024)
        while case let count = read(descriptor, &buffer, buffer.count), count != 0 {
            guard count > 0 else {
                throw CommandError("can't read \(path): \(String(cString: strerror(errno)))", exitCode: .unreachable)
            }
            bytes.append(contentsOf: buffer[..<count])
            guard bytes.count <= Self.mostBytes else {
                throw CommandError("\(path) is larger than any such file", exitCode: .unreachable)
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandError("\(path) is no text", exitCode: .unreachable)
        }
        return text
    }
}
