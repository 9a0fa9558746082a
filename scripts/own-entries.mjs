import ts from 'typescript'

/** An object that is written out. What is made from others is a collection, whose names are the program's. */
const isTableLiteral = (node) =>
  ts.isObjectLiteralExpression(node) && node.properties.length > 0 && !node.properties.some(ts.isSpreadAssignment)

/**
 * A rule for ESLint: a table written as an object is not read by any text, as in `activations[name]`. Every object has `constructor`
 * and `toString` too, so a name from a file would find them. `entryOf(activations, name)` finds only what the table holds.
 *
 * @type {import('eslint').Rule.RuleModule}
 */
export const ownEntries = {
  meta: { type: 'problem', messages: { own: 'Read it with entryOf({{table}}, …): any text may be the key.' } },
  create(context) {
    const { program, esTreeNodeToTSNodeMap } = context.sourceCode.parserServices
    const checker = program.getTypeChecker()

    /** Whether an expression names an object literal, in this file or another one, or one in it. */
    const isTable = (node) => {
      if (ts.isPropertyAccessExpression(node)) return isTable(node.expression)
      if (!ts.isIdentifier(node)) return false
      let symbol = checker.getSymbolAtLocation(node)
      if (symbol && symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol)
      const declared = symbol?.valueDeclaration
      if (!declared || !ts.isVariableDeclaration(declared)) return false
      let value = declared.initializer
      while (
        value &&
        (ts.isAsExpression(value) || ts.isSatisfiesExpression(value) || ts.isParenthesizedExpression(value))
      )
        value = value.expression
      return value !== undefined && isTableLiteral(value)
    }

    /** Whether an expression may be any text, whatever it is asserted to be. */
    const isAnyText = (node) => {
      while (ts.isAsExpression(node) || ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node))
        node = node.expression
      const type = checker.getTypeAtLocation(node)
      return (type.isUnion() ? type.types : [type]).some(
        ({ flags }) => flags & (ts.TypeFlags.String | ts.TypeFlags.Any | ts.TypeFlags.Unknown),
      )
    }

    return {
      MemberExpression(node) {
        if (!node.computed || (node.parent.type === 'AssignmentExpression' && node.parent.left === node)) return
        const access = esTreeNodeToTSNodeMap.get(node)
        if (isTable(access.expression) && isAnyText(access.argumentExpression))
          context.report({ node, messageId: 'own', data: { table: access.expression.getText() } })
      },
    }
  },
}
