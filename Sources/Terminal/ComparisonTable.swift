/// Figures as they were beside figures as they would be, of which fewer is better.
public struct ComparisonTable {
    private var table: Table

    public init(_ before: String, _ after: String) {
        table = Table([.init(""), .init(before, .right), .init(after, .right), .init("CHANGE", .right), .init("")])
    }

    public mutating func append(_ name: String, _ before: UInt64, _ after: UInt64) {
        let color: Style.Color = after < before ? .green : after > before ? .red : .plain
        let change = after < before ? "-\(before - after)" : after > before ? "+\(after - before)" : "0"
        table.append([
            .init(name), .init(HumanText.count(before)), .init(HumanText.count(after)), .init(change, color),
            .init(after == before ? "same" : after < before ? "better" : "worse", color),
        ])
    }

    public func write(to output: Output) {
        output.table(table)
    }

    /// For stderr, without the last line's end.
    public func rendered(_ output: Output) -> String {
        let text = table.rendered(output.errorStyle, width: nil, ellipsis: output.symbols.ellipsis)
        return String(text.dropLast())
    }
}
