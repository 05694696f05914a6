import ArgumentParser
import MeshManifest
import RegistryClient
import RegistryModel
import Terminal

struct WhyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Say why a request went where it went, after the fact.",
        discussion: """
            Joins the access logs of this user's sidecars, those that have ended included, with what the registry held at the \
            very sequence that the sidecar routed by: which instances there were, who was left out and for whose reason, \
            what was tried and how it ended.

            The trace is what hms-mesh curl -v prints, what hms-mesh tail --json shows as "trace", and the 32 digits in the \
            traceparent field that the application got.

              hms-mesh why 4bf92f3577b34da6a3ce929d0e0e4736
            """
    )

    @Argument(
        help: ArgumentHelp("Trace of the request: 32 hexadecimal digits, or a whole traceparent.", valueName: "trace")
    )
    var trace: String

    @Option(help: ArgumentHelp("https://HOST:PORT or unix:PATH of the registry.", valueName: "address"))
    var registry: String?

    @OptionGroup var printing: OutputOptions

    private static let digits = 32

    /// The trace id alone; of a traceparent the second part (W3C Trace Context §3.2).
    static func traceID(_ text: String) -> String? {
        let parts = text.lowercased().split(separator: "-", omittingEmptySubsequences: false)
        let id = parts.count == 4 ? String(parts[1]) : text.lowercased()
        return id.utf8.count == digits && id.allSatisfy(\.isHexDigit) ? id : nil
    }

    mutating func validate() throws {
        guard Self.traceID(trace) != nil else {
            throw ValidationError("\(trace) is no trace: 32 hexadecimal digits, as hms-mesh curl -v prints them")
        }
    }

    func run() async throws {
        let output = printing.output
        let id = Self.traceID(trace) ?? trace
        guard let user = UserDirectories(environment: Environment.variable) else {
            throw CommandError("neither XDG_STATE_HOME nor HOME says where access logs are", exitCode: .unreachable)
        }
        let hits = AccessLogSearch(stateDirectory: user.state).lines(trace: id)
        guard !hits.isEmpty else {
            throw CommandError(
                "No access log of this user's sidecars on this machine tells of \(id)",
                reasons: ["looked in \(user.state)/sidecars; a sidecar keeps its last 64 to 128 MB of lines"],
                hint: "was it sent through a sidecar here? hms-mesh tail --json shows traces",
                exitCode: .notSo
            )
        }
        let (reports, failure) = await reports(hits)
        if let failure {
            output.note(
                output.errorStyle.yellow(
                    "\(output.symbols.warning) what the registry held then can't be told: \(failure)"
                )
            )
        }
        guard !printing.json else { return output.write(Self.json(id, reports)) }
        for (index, report) in reports.enumerated() {
            if index > 0 { output.write("\n") }
            output.write(report.rendered(output))
            if report.line.direction == "outbound", !report.rows.isEmpty { output.table(report.table) }
            if let error = report.line.error { output.write("\(error): \(report.line.hint ?? "")\n") }
        }
    }

    private static func json(_ trace: String, _ reports: [WhyReport]) -> String {
        var json = JSONWriter()
        json.beginObject()
        json.member("trace", trace)
        json.key("requests")
        json.beginArray()
        for report in reports { report.write(to: &json) }
        json.endArray()
        json.endObject()
        return json.string + "\n"
    }

    /// - Returns: what the log has of the request, with the registry's word where it can be had, and why it can't.
    private func reports(_ hits: [AccessLogSearch.Hit]) async -> ([WhyReport], failure: String?) {
        var held: [[RegisteredInstance]?] = hits.map { _ in nil }
        var failure: String?
        if hits.contains(where: { $0.line.routedSequence != nil }) {
            do {
                (held, failure) = try await instances(hits.map(\.line))
            } catch let error as RegistryClientError {
                failure = error.message
            } catch {
                failure = "\(error)"
            }
        }
        let reports = zip(hits, held).map { WhyReport(line: $0.line, document: $0.document, instances: $1) }
        return (reports, failure)
    }

    /// For each line what the registry held of the service then, all over one connection.
    private func instances(_ lines: [AccessLine]) async throws -> ([[RegisteredInstance]?], failure: String?) {
        guard let address = try Examination.registry(registry, usedBySidecar: nil, try Manifest.forCommand()) else {
            throw RegistryClientError(.unreachable, "no registry is named, and no socket answers")
        }
        let credentials =
            address.isTLS ? try IdentityStore(for: address, environment: Environment.variable).load() : nil
        return try await RegistryConnection.withConnection(to: address, credentials: credentials) { connection in
            var held: [[RegisteredInstance]?] = []
            var failure: String?
            for line in lines {
                do throws(RegistryClientError) {
                    held.append(try await Self.instances(line, connection))
                } catch {
                    held.append(nil)
                    failure = error.message
                }
            }
            return (held, failure)
        }
    }

    private static func instances(
        _ line: AccessLine,
        _ connection: RegistryConnection
    ) async throws(RegistryClientError) -> [RegisteredInstance]? {
        guard let sequence = line.routedSequence, let name = try? ServiceName(line.to) else { return nil }
        do throws(RegistryClientError) {
            return try await connection.lookup(name, LookupFilter(all: true, at: String(sequence))).instances
        } catch {
            guard error.code == .unknownService else { throw error }
            return []
        }
    }
}

extension AccessLine {
    /// Up to where the registry's word went that the request was routed by; nil where none was.
    fileprivate var routedSequence: UInt64? {
        direction == "outbound" ? sequence.flatMap { $0 > 0 ? $0 : nil } : nil
    }
}
