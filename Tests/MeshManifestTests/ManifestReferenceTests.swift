import MeshManifest
import Terminal
import TestSupport
import Testing

/// docs/reference/hms.yml.md
@Suite("The reference of hms.yml")
struct ManifestReferenceTests {
    private static func page() throws -> String {
        String(decoding: try readFile(packageDirectory + "/docs/reference/hms.yml.md"), as: UTF8.self)
    }

    @Test("each key that is known has its row, and no row is of a key that is not")
    func keys() throws {
        let known =
            Self.keys(of: "", above: "") + Self.keys(of: "service", above: "service:\n  ")
            + Self.keys(of: "mesh", above: "mesh:\n  ") + Self.keys(of: "mesh.log", above: "mesh:\n  log:\n    ")
        #expect(known.count > 20)
        let rows = try Self.page().split(separator: "\n").compactMap { line -> String? in
            guard line.hasPrefix("| `") else { return nil }
            return String(line.dropFirst(3).prefix { $0 != "`" })
        }
        #expect(rows.sorted() == known.filter { $0 != "service" && $0 != "mesh" }.sorted())
    }

    @Test("its examples are good")
    func examples() throws {
        let examples = try Self.page().split(separator: "```yaml\n").dropFirst().map { $0.split(separator: "```")[0] }
        #expect(examples.count == 2)
        for example in examples { _ = try parse(String(example)) }
    }

    /// What the complaint about a key that is none lists.
    private static func keys(of block: String, above: String) -> [String] {
        do {
            _ = try parse(above + "nonsense: 1\n")
            return []
        } catch {
            let text = (error as? ManifestError)?.rendered(Style(isColored: false), .unicode) ?? ""
            let title = "keys of \(block.isEmpty ? "hms.yml" : block): "
            guard let line = text.split(separator: "\n").first(where: { $0.contains(title) }),
                let list = line.split(separator: ": ", maxSplits: 1).last
            else { return [] }
            return list.split(separator: ", ").map { block.isEmpty ? String($0) : "\(block).\($0)" }
        }
    }
}
