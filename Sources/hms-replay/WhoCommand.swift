import ArgumentParser
import RegistryModel
import Replay
import Terminal

struct WhoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "who",
        abstract: "Who registered a service's instances, who ended them, who held its certificates.",
        discussion: """
            EXAMPLES
              hms-replay who identity-check --data ./data
            """
    )

    @Argument(help: "The service.")
    var service: String

    @OptionGroup var source: SourceOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        let report = try answering { try RegistrarReport.of(try ServiceName(service), in: try source.open()) }
        if options.json { return output.write(Self.json(report)) }
        guard !report.acts.isEmpty || !report.certificates.isEmpty else {
            throw CommandError("nobody has ever acted on \(service)", exitCode: .notSo)
        }
        var table = Table([
            .init("INSTANCE"), .init("ACT"), .init("BY"), .init("TIMES", .right), .init("FIRST"), .init("LAST"),
        ])
        for act in report.acts {
            table.append([
                .init(act.instance?.description ?? "-"), .init(act.kind), .init(act.actor),
                .init(HumanText.count(act.times)), .init(act.first.utcText, .dim), .init(act.last.utcText, .dim),
            ])
        }
        if !report.acts.isEmpty { output.table(table) }
        guard !report.certificates.isEmpty else { return }
        var certificates = Table([
            .init("CERTIFICATE"), .init("ISSUED"), .init("TO"), .init("UNTIL"), .init("REVOKED"),
        ])
        for certificate in report.certificates {
            certificates.append([
                .init(certificate.record.serial), .init(certificate.issued.time.utcText, .dim),
                .init(certificate.issued.actorText), .init(certificate.record.notAfter.utcText, .dim),
                .init(certificate.revoked.map { "\($0.time.utcText) by \($0.actorText)" } ?? "-", .red),
            ])
        }
        output.table(certificates)
    }

    private static func json(_ report: RegistrarReport) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 2_048)
        json.beginObject()
        json.member("service", report.service.description)
        json.key("acts")
        json.beginArray()
        for act in report.acts {
            json.beginObject()
            if let instance = act.instance { json.member("instance", instance.description) }
            json.member("kind", act.kind)
            json.member("actor", act.actor)
            json.member("times", act.times)
            json.member("first", act.first)
            json.member("last", act.last)
            json.endObject()
        }
        json.endArray()
        json.key("certificates")
        json.beginArray()
        for certificate in report.certificates {
            json.beginObject()
            json.member("serial", certificate.record.serial)
            json.member("spiffe_id", certificate.record.spiffeID)
            json.member("not_after", certificate.record.notAfter)
            json.key("issued")
            certificate.issued.write(to: &json)
            if let revoked = certificate.revoked {
                json.key("revoked")
                revoked.write(to: &json)
            }
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }
}
