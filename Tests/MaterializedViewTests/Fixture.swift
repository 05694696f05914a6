import RegistryModel
import TestSupport
import Testing

@testable import MaterializedView

let sampleRegistry = RegistryID(rawValue: 0xA11CE)
let sampleEpoch = Epoch(rawValue: 0xE90C4)

/// A view bound to a log, in a directory of its own.
func withView<R>(_ body: (RegistryView) throws -> R) throws -> R {
    try withTemporaryDirectory { directory in
        try body(try makeView(directory + "/view"))
    }
}

func makeView(_ directory: String) throws -> RegistryView {
    let view = try RegistryView.open(directory: directory, access: .readWrite)
    if try view.identity() == nil {
        try view.write { $0.bind(registryID: sampleRegistry, epoch: sampleEpoch, applied: .none) }
    }
    return view
}

extension RegistryView {
    /// Applies events as the daemon does, in one transaction.
    @discardableResult
    func apply(_ events: [Event]) throws -> [ViewChange] {
        var changes: [ViewChange] = []
        try write { (store: inout LMDBRecordStore) in
            for event in events { try Projection.apply(event, to: &store, changes: &changes) }
            if let last = events.last { try store.setApplied(last.sequence) }
        }
        return changes
    }

    func fragments(of service: String, _ filter: InstanceFilter = .all) throws -> [String] {
        try read { snapshot in
            var found: [String] = []
            try snapshot.forEachFragment(of: try ServiceName(service), matching: filter) { bytes in
                found.append(String(decoding: bytes, as: UTF8.self))
            }
            return found
        }
    }

    func ids(of service: String, _ filter: InstanceFilter = .all) throws -> [String] {
        try fragments(of: service, filter).map { fragment in
            try JSONValue(parsing: Array(fragment.utf8))["id"]?.text ?? ""
        }
    }
}

func registered(_ sequence: UInt64, _ instance: Instance, _ health: Health = .healthy) -> Event {
    Event(
        sequence: SequenceNumber(sequence),
        time: .sample(Int64(sequence)),
        actor: nil,
        kind: .instanceRegistered(instance, health: health)
    )
}

func sampleState(
    handle: UInt64 = 7,
    _ health: Health = .healthy,
    _ cause: TransitionCause = .reported,
    detail: String = ""
) -> InstanceState {
    InstanceState(
        handle: InstanceHandle(handle),
        health: health,
        cause: cause,
        detail: detail,
        since: .sample(5),
        registeredAt: .sample(1),
        modified: SequenceNumber(9)
    )
}

/// Everything that can be said of an instance, with whatever needs an escape.
func fullInstance() throws -> Instance {
    try sampleInstance("photo-validator", "host-7000") { instance in
        instance.appPort = 7_001
        instance.version = "1.2 \"beta\""
        instance.zone = "east\\1"
        instance.tags = ["gpu", "say \"hi\"", "comma, bracket]", "ünï \\"]
        instance.metadata = [
            MetadataEntry(key: "version", value: "not this"), MetadataEntry(key: "x\"tags", value: "[\"gpu2\"]"),
            MetadataEntry(key: "zone", value: "west"),
        ]
        instance.weight = 50
        instance.applicationProtocol = "h2c"
        instance.lease = .ttl(milliseconds: 12_000)
        instance.repeatable = ["POST /validate"]
        instance.keyLineage = "abc"
        instance.tlsCert = "sha256:00"
        instance.startID = "s1"
    }
}

/// Reading these bytes says that the view is suspect.
func expectSuspect<R>(
    _ bytes: some Collection<UInt8>,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ read: (UnsafeRawBufferPointer) throws -> R
) {
    #expect(throws: ViewError.suspect(""), sourceLocation: sourceLocation) {
        _ = try Array(bytes).withUnsafeBytes { try read($0) }
    }
}

/// Reading bytes that may be anything gives a value or says that the view is suspect.
func expectSoundOrSuspect<R>(_ bytes: [UInt8], _ read: (UnsafeRawBufferPointer) throws -> R) {
    do {
        _ = try bytes.withUnsafeBytes { try read($0) }
    } catch {
        #expect(error as? ViewError == .suspect(""), "\(error) of \(bytes)")
    }
}
