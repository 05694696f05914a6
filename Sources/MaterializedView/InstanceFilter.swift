public import RegistryModel

/// Which of a service's instances a look-up wants.
public struct InstanceFilter: Sendable, Equatable {
    public enum Status: Sendable, Equatable {
        /// Healthy and degraded.
        case routable
        case all
        case health(Health)
    }

    public var status: Status
    public var version: String?
    /// One that the instance must have.
    public var tag: String?
    public var zone: String?

    public init(status: Status = .routable, version: String? = nil, tag: String? = nil, zone: String? = nil) {
        self.status = status
        self.version = version
        self.tag = tag
        self.zone = zone
    }

    public static let all = InstanceFilter(status: .all)
}

/// A filter made ready for a scan: comparisons of bytes only.
struct CompiledFilter {
    private let healthMask: UInt8
    private let version: [UInt8]?
    private let zone: [UInt8]?
    private let tag: [UInt8]?

    init(_ filter: InstanceFilter) {
        switch filter.status {
        case .routable: healthMask = Self.bit(.healthy) | Self.bit(.degraded)
        case .all: healthMask = .max
        case .health(let health): healthMask = Self.bit(health)
        }
        version = filter.version.map(Self.jsonString)
        zone = filter.zone.map(Self.jsonString)
        tag = filter.tag.map(Self.jsonString)
    }

    func matches(_ record: InstanceRecord) -> Bool {
        guard healthMask & (1 << (record.healthByte & 7)) != 0 else { return false }
        if let version, !record.version.elementsEqual(version) { return false }
        if let zone, !record.zone.elementsEqual(zone) { return false }
        if let tag, !Self.contains(record.tags, tag) { return false }
        return true
    }

    private static func bit(_ health: Health) -> UInt8 {
        1 << health.rawValue
    }

    private static func jsonString(_ text: String) -> [UInt8] {
        var json = JSONWriter()
        json.write(text)
        return json.bytes
    }

    /// Whether an array of strings holds one, both as JSON.
    private static func contains(_ array: UnsafeRawBufferPointer, _ string: [UInt8]) -> Bool {
        var index = 1
        while index + string.count < array.count {
            // Only where an element begins: behind the bracket or a comma outside of strings.
            if array[index] == UInt8(ascii: "\"") {
                if array[index..<index + string.count].elementsEqual(string) { return true }
                index += 1
                while index < array.count, array[index] != UInt8(ascii: "\"") {
                    index += array[index] == UInt8(ascii: "\\") ? 2 : 1
                }
            }
            index += 1
        }
        return false
    }
}
