public import OpenSSLCrypto
public import RegistryModel

/// What a snapshot says of itself: `manifest.json`, its first file.
public struct SnapshotManifest: Sendable, Equatable {
    public struct File: Sendable, Equatable {
        public var name: String
        public var size: UInt64
        public var sha256: String
    }

    public static let name = "manifest.json"
    static let format: UInt64 = 1

    public var registryID: RegistryID
    public var epoch: Epoch
    /// The last event that the view holds.
    public var sequence: SequenceNumber
    public var time: Timestamp
    public var root: SHA256Digest
    public var digestVersion: UInt32
    public var stateDigest: SHA256Digest
    public var instances: UInt64
    /// Where the history that it holds steps: the clock was set, or a snapshot restored. nil where an earlier version took
    /// it, which did not say.
    public var steps: [SequenceNumber]?
    /// Beside the manifest.
    public var files: [File]

    var json: [UInt8] {
        var json = JSONWriter(reservingCapacity: 1_024)
        json.beginObject()
        json.member("format", Self.format)
        writeFacts(to: &json)
        if let steps {
            json.key("steps")
            json.beginArray()
            for step in steps { json.write(step.rawValue) }
            json.endArray()
        }
        json.key("files")
        json.beginArray()
        for file in files {
            json.beginObject()
            json.member("name", file.name)
            json.member("size", file.size)
            json.member("sha256", file.sha256)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }

    /// Of its file. What it names is vouched for where this is on record.
    var sha256: SHA256Digest {
        get throws(OpenSSLError) { try SHA256Digest.of(json) }
    }

    /// Its members but for the files.
    public func writeFacts(to json: inout JSONWriter) {
        json.member("registry", registryID.description)
        json.member("epoch", epoch.description)
        json.member("sequence", sequence.rawValue)
        json.member("time", time)
        json.member("root", root.description)
        json.member("digest_version", digestVersion)
        json.member("state_digest", stateDigest.description)
        json.member("instances", instances)
    }

    init(
        registryID: RegistryID,
        epoch: Epoch,
        sequence: SequenceNumber,
        time: Timestamp,
        root: SHA256Digest,
        stateDigest: SHA256Digest,
        instances: UInt64,
        steps: [SequenceNumber]?,
        files: [File]
    ) {
        self.registryID = registryID
        self.epoch = epoch
        self.sequence = sequence
        // As precise as it is written.
        self.time = Timestamp(rawValue: time.rawValue - time.rawValue % 1_000_000)
        self.root = root
        digestVersion = CanonicalRecord.version
        self.stateDigest = stateDigest
        self.instances = instances
        self.steps = steps
        self.files = files
    }

    /// - Throws: what is missing or makes no sense.
    init(json bytes: [UInt8]) throws(RegistryModelError) {
        var texts: [String: String] = [:]
        var numbers: [String: UInt64] = [:]
        var files: [File] = []
        var steps: [SequenceNumber]?
        try JSONReader.parse(bytes) { (json) throws(RegistryModelError) in
            try json.object { (json, key) throws(RegistryModelError) in
                switch key {
                case "format", "sequence", "digest_version", "instances": numbers[key] = try json.integer()
                case "registry", "epoch", "time", "root", "state_digest": texts[key] = try json.string()
                case "steps":
                    var found: [SequenceNumber] = []
                    try json.array { (json) throws(RegistryModelError) in
                        found.append(SequenceNumber(try json.integer()))
                    }
                    steps = found
                case "files":
                    try json.array { (json) throws(RegistryModelError) in files.append(try File(from: &json)) }
                default: try json.skip()
                }
            }
        }
        guard numbers["format"] == Self.format, let registry = texts["registry"].flatMap({ Epoch($0) }),
            let epoch = texts["epoch"].flatMap({ Epoch($0) }), let sequence = numbers["sequence"],
            let time = texts["time"].flatMap({ Timestamp(rfc3339: $0) }),
            let root = texts["root"].flatMap({ SHA256Digest(hex: $0) }),
            let stateDigest = texts["state_digest"].flatMap({ SHA256Digest(hex: $0) }),
            let version = numbers["digest_version"].flatMap({ UInt32(exactly: $0) })
        else { throw RegistryModelError(.missingField, "the manifest is not one of a snapshot") }
        self.init(
            registryID: RegistryID(rawValue: registry.rawValue),
            epoch: epoch,
            sequence: SequenceNumber(sequence),
            time: time,
            root: root,
            stateDigest: stateDigest,
            instances: numbers["instances"] ?? 0,
            steps: steps,
            files: files
        )
        digestVersion = version
    }
}

extension SnapshotManifest.File {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        self.init(name: "", size: 0, sha256: "")
        var file = self
        try json.object { (json, key) throws(RegistryModelError) in
            switch key {
            case "name": file.name = try json.string()
            case "size": file.size = try json.integer()
            case "sha256": file.sha256 = try json.string()
            default: try json.skip()
            }
        }
        self = file
    }
}

extension SHA256Digest {
    /// Of 64 hexadecimal digits; nil for anything else.
    public init?(hex text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 2 * Self.byteCount else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            let pair = String(decoding: digits[index..<index + 2], as: UTF8.self)
            guard let byte = UInt8(pair, radix: 16) else { return nil }
            bytes.append(byte)
        }
        self.init(bytes)
    }
}
