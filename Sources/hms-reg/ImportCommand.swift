import ArgumentParser
import Glibc
import RegistryClient
import RegistryModel
import Terminal

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Register instances from a file, one JSON object a line.",
        discussion: """
            Each line has service, id, ip and port, and may have version, zone, tags, metadata, weight, protocol, \
            ttlMs (null: never expires) and status. What is refused is told with its line; the others are registered.

            EXAMPLES
              hms-reg import fleet.ndjson
              echo '{"service":"printer","id":"p1","ip":"10.1.3.4","port":9100,"ttlMs":null}' | hms-reg import -
            """
    )

    /// Of one request; the API takes 1 MiB.
    private static let chunkBytes = 512 * 1_024
    private static let refusalsShown = 20

    @Argument(help: "The file; - for standard input.")
    var file: String

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let lines = try Self.lines(of: file)
        let output = options.output
        let progress = ProgressBar("registering", noun: "instances", symbols: output.symbols)
        let (registered, refused) = try await registry.withConnection { connection in
            try await send(lines, to: connection) { progress.update($0, of: UInt64(lines.count)) }
        }
        progress.finish()
        report(registered, refused, to: output)
        if !refused.isEmpty { throw ExitCode.notSo }
    }

    private func send(
        _ lines: [(number: Int, bytes: ArraySlice<UInt8>)],
        to connection: RegistryConnection,
        _ progress: (UInt64) -> Void
    ) async throws -> (registered: UInt64, refused: [(line: Int, why: String)]) {
        var registered: UInt64 = 0
        var refused: [(line: Int, why: String)] = []
        var index = 0
        while index < lines.count {
            var chunk: [UInt8] = []
            let first = index
            while index < lines.count, chunk.isEmpty || chunk.count + lines[index].bytes.count < Self.chunkBytes {
                chunk.append(contentsOf: lines[index].bytes)
                chunk.append(UInt8(ascii: "\n"))
                index += 1
            }
            let result = try await connection.registerMany(lines: chunk)
            registered += result.registered
            for refusal in result.refusals where first + refusal.index < lines.count {
                refused.append((lines[first + refusal.index].number, refusal.detail))
            }
            progress(UInt64(index))
        }
        return (registered, refused)
    }

    private func report(_ registered: UInt64, _ refused: [(line: Int, why: String)], to output: Output) {
        if options.json {
            var json = JSONWriter()
            json.beginObject()
            json.member("registered", registered)
            json.key("refused")
            json.beginArray()
            for (line, why) in refused {
                json.beginObject()
                json.member("line", line)
                json.member("detail", why)
                json.endObject()
            }
            json.endArray()
            json.endObject()
            return output.write(json.string + "\n")
        }
        for (line, why) in refused.prefix(Self.refusalsShown) {
            output.note("\(output.errorStyle.red(output.symbols.wrong)) \(file):\(line): \(why)")
        }
        if refused.count > Self.refusalsShown {
            output.note("  and \(refused.count - Self.refusalsShown) more: --json has them all")
        }
        let sign =
            refused.isEmpty
            ? output.style.green(output.symbols.done) : output.style.yellow(output.symbols.warning)
        let rest = refused.isEmpty ? "" : " \(output.symbols.separator) \(refused.count) refused"
        output.write("\(sign) \(HumanText.counted(registered, "instance")) registered\(rest)\n")
    }

    /// Lines that hold something, with their numbers.
    private static func lines(of file: String) throws -> [(number: Int, bytes: ArraySlice<UInt8>)] {
        let descriptor = file == "-" ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw CommandError("can't read \(file): \(String(cString: strerror(errno)))", exitCode: .unreachable)
        }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 256 * 1_024)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count == 0 { break }
            guard count > 0 else {
                throw CommandError("can't read \(file): \(String(cString: strerror(errno)))", exitCode: .unreachable)
            }
            bytes.append(contentsOf: buffer[..<count])
        }
        return bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated().compactMap {
            index,
            line in
            line.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D } ? nil : (index + 1, line)
        }
    }
}
