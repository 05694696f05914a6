import RegistryModel
import Terminal

/// All that was found, as it is printed.
struct DoctorReport: Sendable {
    /// Behind the word `service`, where one is looked at.
    var service: String?
    var findings: [Finding]

    func count(_ level: Finding.Level) -> Int {
        findings.count { $0.level == level }
    }

    /// - Parameter strict: warnings count as wrong.
    func isHealthy(strict: Bool) -> Bool {
        count(.wrong) == 0 && (!strict || count(.warning) == 0)
    }

    // MARK: For people

    func rendered(_ style: Style, _ symbols: Symbols) -> String {
        var text = ""
        for section in Finding.Section.allCases {
            let lines = findings.filter { $0.section == section }
            guard !lines.isEmpty else { continue }
            let heading = section == .service ? "service \(service ?? "")" : section.rawValue
            text += style.bold(heading) + "\n"
            for finding in lines { text += line(finding, style, symbols) }
        }
        return text + summary(symbols) + "\n"
    }

    private func line(_ finding: Finding, _ style: Style, _ symbols: Symbols) -> String {
        let sign =
            switch finding.level {
            case .fine: style.green(symbols.done)
            case .warning: style.yellow(symbols.warning)
            case .wrong: style.red(symbols.wrong)
            }
        let advice = finding.advice.map { "    \(symbols.next) \(style.bold($0))\n" } ?? ""
        return "  \(sign) \(finding.text.replacing(" · ", with: " \(symbols.separator) "))\n" + advice
    }

    private func summary(_ symbols: Symbols) -> String {
        let warnings = HumanText.counted(UInt64(count(.warning)), "warning")
        return "\(count(.wrong)) wrong, \(warnings), \(count(.fine)) fine"
    }

    // MARK: For programs

    func json() -> String {
        var json = JSONWriter()
        json.beginObject()
        if let service { json.member("service", service) }
        json.member("wrong", count(.wrong))
        json.member("warnings", count(.warning))
        json.member("fine", count(.fine))
        json.key("findings")
        json.beginArray()
        for finding in findings {
            json.beginObject()
            json.member("id", finding.check.rawValue)
            json.member("section", finding.section.rawValue)
            json.member("level", finding.level.rawValue)
            json.member("text", finding.text)
            if let advice = finding.advice { json.member("advice", advice) }
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.string + "\n"
    }
}
