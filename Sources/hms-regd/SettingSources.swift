import ArgumentParser
import Glibc
import RegistryModel
import Terminal
import Yams

/// Where each setting comes from: the command line goes before the environment, the environment before the file.
struct SettingSources {
    struct Value {
        var text: String
        /// As an error names it: `--ttl`, `HMS_REGD_TTL`, `regd.yml:3: ttl`.
        var origin: String
    }

    private var values: [String: Value] = [:]

    init(_ options: DaemonOptions, environment: (String) -> String?) throws {
        let names = options.given.map(\.name)
        if let path = options.config ?? environment("HMS_REGD_CONFIG") { try readFile(path, names) }
        for name in names {
            let variable = "HMS_REGD_" + name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
            if let text = environment(variable) { values[name] = Value(text: text, origin: variable) }
        }
        for case (let name, let text?) in options.given { values[name] = Value(text: text, origin: "--\(name)") }
    }

    subscript(name: String) -> Value? {
        values[name]
    }

    // MARK: The file

    private mutating func readFile(_ path: String, _ names: [String]) throws {
        let node: Node?
        do {
            node = try Yams.compose(yaml: try Self.contents(of: path))
        } catch let error as CommandError {
            throw error
        } catch {
            throw CommandError("\(path) is not YAML", reasons: ["\(error)"], exitCode: .usage)
        }
        guard let node, node != Node("") else { return }
        guard case .mapping(let mapping) = node else {
            throw CommandError("\(path) is not a list of options", hint: "data: /var/lib/hms", exitCode: .usage)
        }
        for (key, value) in mapping {
            let name = key.string ?? ""
            let place = "\(path):\(key.mark?.line ?? 1)"
            guard names.contains(name) else {
                let nearest = NearestName.matches(for: name, in: names, limit: 1).first
                throw CommandError(
                    "\(place): unknown option \(name)",
                    hint: nearest.map { "did you mean \($0)?" } ?? "options: \(names.joined(separator: ", "))",
                    exitCode: .usage
                )
            }
            guard case .scalar(let scalar) = value else {
                throw CommandError("\(place): \(name) takes one value", exitCode: .usage)
            }
            values[name] = Value(text: scalar.string, origin: "\(place): \(name)")
        }
    }

    /// At most 64 KiB: an options file is a page.
    private static func contents(of path: String) throws -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw CommandError("can't read \(path): \(String(cString: strerror(errno)))", exitCode: .unreachable)
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64 * 1_024)
        let count = read(descriptor, &bytes, bytes.count)
        guard count >= 0, let text = String(validating: bytes.prefix(max(0, count)), as: UTF8.self) else {
            throw CommandError("can't read \(path) as text", exitCode: .unreachable)
        }
        return text
    }
}
