// Lint rules for prose: what a machine can see of "Style" in CONTRIBUTING.md.
type Node = Deno.lint.Node;

const MAX_COLUMNS = 100;
const MAX_TEST_NAME = 90;
const CLAUSE = /^\*[\s*]*(What|Whether|How|Who|Whom|Where|Why|When|Which)\b/;
/** Lines that cannot be wrapped: a long URL, and directives for the tools. */
const UNWRAPPABLE = /https?:\/\/\S{40}|deno-(lint|fmt|coverage)-ignore/;
const FAULT_ROWS = / \(F[0-9]+(, F[0-9]+)*\)$/;

/** Reports a docstring that opens with a clause instead of saying what the thing is or does. */
export const docstringOpening: Deno.lint.Rule = {
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments()) {
        if (comment.type !== "Block" || !CLAUSE.test(comment.value)) continue;
        const hint = "Say what the thing is or does: Returns true if …";
        context.report({ range: comment.range, message: "A docstring opens with a clause", hint });
      }
    },
  }),
};

/** Reports a line of a comment that ends beyond column 100. */
export const commentWidth: Deno.lint.Rule = {
  create: (context) => ({
    Program() {
      const { text } = context.sourceCode;
      for (const comment of context.sourceCode.getAllComments()) {
        const [start, end] = comment.range;
        const before = text.slice(text.lastIndexOf("\n", start - 1) + 1, start);
        // A comment behind code is as long as the formatter lets the line be.
        if (before.trim() !== "") continue;
        const isLong = (before + text.slice(start, end)).split("\n")
          .some((line) => line.length > MAX_COLUMNS && !UNWRAPPABLE.test(line));
        if (!isLong) continue;
        const message = `A comment is wider than ${MAX_COLUMNS} columns`;
        context.report({ range: comment.range, message, hint: "Wrap it, or say less" });
      }
    },
  }),
};

/** Reports options that come before the first exported function or class of their file. */
export const optionsBelow: Deno.lint.Rule = {
  create: (context) => ({
    Program({ body }) {
      const exported = body.map((statement) =>
        statement.type === "ExportNamedDeclaration" ? statement.declaration : undefined
      );
      const isMain = (node: Node | null | undefined) =>
        node?.type === "FunctionDeclaration" || node?.type === "ClassDeclaration";
      for (const node of exported.slice(0, Math.max(0, exported.findIndex(isMain)))) {
        if (node?.type !== "TSInterfaceDeclaration" && node?.type !== "TSTypeAliasDeclaration") continue;
        if (!node.id.name.endsWith("Options")) continue;
        const message = `${node.id.name} comes before the main thing of its file`;
        context.report({ node, message, hint: "Move it below the first exported function or class" });
      }
    },
  }),
};

/** Reports a test whose name has more than 90 characters, not counting its fault rows. */
export const testName: Deno.lint.Rule = {
  create: (context) => ({
    CallExpression(node) {
      const isTest = node.callee.type === "MemberExpression"
        ? context.sourceCode.getText(node.callee) === "Deno.test"
        : node.callee.type === "Identifier" && /^test([A-Z]|$)|[a-z]Test$/.test(node.callee.name);
      const [first] = node.arguments;
      if (!isTest || first === undefined) return;
      const name = textOf(first)?.replace(FAULT_ROWS, "");
      if (name === undefined || name.length <= MAX_TEST_NAME) return;
      const message = `A test name has ${name.length} characters, more than ${MAX_TEST_NAME}`;
      context.report({ node: first, message, hint: "Say the behaviour; its history belongs in a comment" });
    },
  }),
};

/**
 * Returns the text of a string, a template (each value counts as one character) or the `name` of an
 * object.
 */
function textOf(node: Node): string | undefined {
  if (node.type === "Literal") return typeof node.value === "string" ? node.value : undefined;
  if (node.type === "TemplateLiteral") return node.quasis.map((quasi) => quasi.cooked).join("…");
  if (node.type !== "ObjectExpression") return undefined;
  for (const property of node.properties) {
    if (property.type !== "Property" || property.key.type !== "Identifier") continue;
    if (property.key.name === "name") return textOf(property.value);
  }
  return undefined;
}
