import Glibc
import Mesh
import RegistryModel
import Supervision

/// Looks through the access logs of this user's sidecars, those that have ended included.
struct AccessLogSearch: Sendable {
    struct Hit: Sendable {
        let line: AccessLine
        /// The line itself.
        let document: [UInt8]
    }

    private static let blockBytes = 4 * 1_024 * 1_024

    /// `$XDG_STATE_HOME/hms`
    let stateDirectory: String

    /// Every line of this trace, the earliest first.
    func lines(trace: String) -> [Hit] {
        var hits: [Hit] = []
        for file in files() { search(file, for: trace, into: &hits) }
        return hits.sorted { $0.line.time < $1.line.time }
    }

    /// The log of each sidecar, and the one before it.
    private func files() -> [String] {
        let root = stateDirectory + "/sidecars"
        return DirectoryListing.names(in: root).flatMap { service in
            DirectoryListing.names(in: "\(root)/\(service)").flatMap { id in
                ["access.log.1", "access.log"].map { "\(root)/\(service)/\(id)/\($0)" }
            }
        }
    }

    private func search(_ file: String, for trace: String, into hits: inout [Hit]) {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let wanted = Array(trace.utf8)
        var cutter = LineCutter()
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        while case let count = read(descriptor, &block, block.count), count > 0 {
            cutter.take(Array(block[..<count])) { line in
                guard contains(line, wanted), let read = AccessLine(line), read.trace == trace else { return }
                hits.append(Hit(line: read, document: Array(line)))
            }
        }
    }

    /// Most lines are of other requests: they are not parsed.
    private func contains(_ line: ArraySlice<UInt8>, _ wanted: [UInt8]) -> Bool {
        line.withUnsafeBytes { line in
            wanted.withUnsafeBytes { wanted in
                guard var text = line.baseAddress, let part = wanted.baseAddress, let first = wanted.first else {
                    return false
                }
                var left = line.count
                while left >= wanted.count, let found = memchr(text, Int32(first), left - wanted.count + 1) {
                    if memcmp(found, part, wanted.count) == 0 { return true }
                    let next = UnsafeRawPointer(found) + 1
                    left -= next - text
                    text = next
                }
                return false
            }
        }
    }
}
