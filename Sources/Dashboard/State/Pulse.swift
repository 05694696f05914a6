import RegistryModel

/// Requests a second of each service, over the last minute: what a page that is opened now draws its lines from.
struct Pulse: Sendable {
    static let length = 60

    private var rates: [String: [Double]] = [:]

    /// Takes one second's figures; who is not among them any more is forgotten.
    mutating func take(_ now: [String: Double]) {
        rates = now.reduce(into: [:]) { result, entry in
            result[entry.key] = ((rates[entry.key] ?? []) + [entry.value]).suffix(Self.length)
        }
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        for (name, values) in rates {
            json.key(name)
            json.beginArray()
            for value in values { json.write((value * 100).rounded() / 100) }
            json.endArray()
        }
        json.endObject()
    }
}
