import EventLog
import Glibc

/// Goes, with all that is in it, when nobody uses it any more.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/hms-replay-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw EventLogError(
                .fileFailed,
                "can't make a directory in \(parent): \(String(cString: strerror(errno)))"
            )
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        WorkDirectory.remove(path)
    }
}
