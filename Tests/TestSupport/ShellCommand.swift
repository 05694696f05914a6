import Glibc

/// Runs a command line as the shell does.
///
/// - Returns: its exit status, and what it wrote to standard output and error.
public func runShell(_ command: String) throws -> (status: Int32, output: String) {
    guard let stream = popen("exec 2>&1; " + command, "r") else { throw SystemFailure("popen \(command)") }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 * 1_024)
    while case let count = fread(&buffer, 1, buffer.count, stream), count > 0 {
        bytes.append(contentsOf: buffer[..<count])
    }
    let status = pclose(stream)
    return (status >> 8 & 0xFF, String(decoding: bytes, as: UTF8.self))
}

/// The package's own directory, where `fixtures` and `proto` are.
public let packageDirectory: String = {
    let here = #filePath
    return here.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
}()
