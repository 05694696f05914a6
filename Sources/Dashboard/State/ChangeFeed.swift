import RegistryClient
import RegistryModel

/// What changed lately, newest last: state carried by a watch, so that steps which followed at once may be one.
struct ChangeFeed: Sendable {
    struct Change: Sendable {
        var revision: UInt64
        var time: Timestamp
        var key: InstanceKey
        /// nil: it was not there.
        var from: Health?
        /// nil: it is no more.
        var to: Health?
        var cause: String
    }

    static let mostChanges = 200

    private(set) var changes: [Change] = []

    mutating func add(_ change: Change) {
        changes.append(change)
        if changes.count > 2 * Self.mostChanges { changes.removeFirst(changes.count - Self.mostChanges) }
    }

    /// The newest of those that came with a later update than `revision`.
    func since(_ revision: UInt64) -> ArraySlice<Change> {
        changes.drop { $0.revision <= revision }.suffix(Self.mostChanges)
    }
}

extension ChangeFeed.Change {
    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("time", time.milliseconds)
        json.member("n", key.service.description)
        json.member("id", key.id.description)
        if let from { json.member("from", from.description) }
        if let to { json.member("to", to.description) }
        if !cause.isEmpty { json.member("cause", cause) }
        json.endObject()
    }
}
