// The project's own lint rules, run by `deno lint` beside Deno's.
import { commentWidth, docstringOpening, optionsBelow, testName } from "./lint_voice.ts";

type Node = Deno.lint.Node;
type Parameter = Deno.lint.Parameter;

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);
const ENTRY = /^(main|ctl)\.ts$/;
const SHIPPED = /^(src\/.*|main|ctl)\.ts$/;
/** All files but the programs: the entry files, and what `deno task` starts. */
const NEVER_EXITS = /^(?!(main|ctl|sim\/dev)\.ts$|(scripts|bench|tests\/long)\/)/;
/**
 * Files whose errors a user reads. Tests and the simulated cloud produce the errors of other
 * programs.
 */
const REPORTS_ERRORS = /^((src|bench|scripts)\/.*|sim\/[^/]*|tests\/long\/.*|main|ctl)\.ts$/;
const LOG_METHODS: ReadonlySet<string> = new Set([
  "trace",
  "debug",
  "info",
  "warn",
  "warning",
  "error",
  "fatal",
]);
const CONTRACTION = /n['’]t\b|\w['’](re|ve|ll)\b|\b(it|that|there|what|here|let)['’]s\b/i;

/** Returns the path from the project's root; a path outside the project is unchanged. */
function pathOf(context: Deno.lint.RuleContext): string {
  const path = context.filename.replaceAll("\\", "/").replace(/^file:\/\//, "");
  return path.startsWith(ROOT) ? path.slice(ROOT.length) : path;
}

/** Makes a rule for the files whose path matches. */
function ruleFor(
  paths: RegExp,
  create: (context: Deno.lint.RuleContext, path: string) => Deno.lint.LintVisitor,
): Deno.lint.Rule {
  return {
    create(context) {
      const path = pathOf(context);
      return paths.test(path) ? create(context, path) : {};
    },
  };
}

const denoOnlyInSystem = ruleFor(/^(src\/(?!system\/).*|main|ctl)\.ts$/, (context, path) => ({
  Identifier(node) {
    const { parent } = node;
    if (node.name !== "Deno" || parent.type === "TSQualifiedName") return;
    if (parent.type === "Property" && parent.key === node) return;
    if (
      parent.type === "MemberExpression" && parent.property === node && !isNamed(parent.object, "globalThis")
    ) return;
    if (ENTRY.test(path) && parent.type === "MemberExpression" && /^(args|exit)$/.test(propertyOf(parent))) {
      return;
    }
    context.report({
      node,
      message: "Deno is used outside src/system/",
      hint: "Take the capability as a parameter",
    });
  },
}));

const exitOnlyInEntries = ruleFor(NEVER_EXITS, (context) => ({
  MemberExpression(node) {
    if (!isNamed(node.object, "Deno") || propertyOf(node) !== "exit") return;
    context.report({
      node,
      message: "Deno.exit is used outside the entry files",
      hint: "Return the exit code",
    });
  },
}));

const consoleOnlyAtTheEdge = ruleFor(/^(src\/(?!cli\/).*|main|ctl)\.ts$/, (context) => ({
  MemberExpression(node) {
    if (!isNamed(node.object, "console")) return;
    context.report({
      node,
      message: "console is used outside src/cli/",
      hint: "Log an event of the folder's category",
    });
  },
}));

const noLatin1Decoder = ruleFor(SHIPPED, (context) => ({
  NewExpression(node) {
    const [first] = node.arguments;
    if (!isNamed(node.callee, "TextDecoder") || first?.type !== "Literal") return;
    if (!/^(latin-?1|iso-?8859-?1|ascii|us-ascii)$/i.test(String(first.value))) return;
    context.report({
      node,
      message: "This decoder is windows-1252, which changes the bytes 0x80 to 0x9F",
      hint: "Use latin1Text() of src/lib/latin1.ts",
    });
  },
}));

const functionDeclarations = ruleFor(/./, (context) => ({
  VariableDeclarator(node) {
    const { init, parent: declaration } = node;
    const top = declaration.parent.type === "Program" || declaration.parent.type === "ExportNamedDeclaration";
    if (!top || (init?.type !== "ArrowFunctionExpression" && init?.type !== "FunctionExpression")) return;
    context.report({
      node,
      message: "A top-level function is not a function declaration",
      hint: "Write: function name() {}",
    });
  },
}));

const hashPrivate = ruleFor(/./, (context) => {
  function check(node: Node): void {
    if (!/^private\b/.test(context.sourceCode.getText(node))) return;
    context.report({ node, message: "A member is private by keyword only", hint: "Write: #name" });
  }
  return { PropertyDefinition: check, MethodDefinition: check, TSParameterProperty: check };
});

const twoThenOptions = ruleFor(/./, (context) => {
  function check(node: Node, params: readonly Parameter[]): void {
    if (params.length <= 2 || (params.length === 3 && isOptions(params[2]!))) return;
    const message = "More than two positional parameters";
    context.report({ node, message, hint: "Take the rest as fields of one last parameter, options" });
  }
  return {
    FunctionDeclaration(node) {
      if (isExported(node)) check(node, node.params);
    },
    TSDeclareFunction(node) {
      if (isExported(node)) check(node, node.params);
    },
    MethodDefinition(node) {
      if (node.kind === "constructor" && isExported(node.parent.parent)) check(node, node.value.params);
    },
  };
});

const errorMessage = ruleFor(REPORTS_ERRORS, (context) => ({
  NewExpression(node) {
    const [first] = node.arguments;
    if (node.callee.type !== "Identifier" || !node.callee.name.endsWith("Error") || first === undefined) {
      return;
    }
    const texts = textsOf(first);
    const faults = [
      ...(/^(?!ngrok(d|ctl)\b)[a-z]/.test(texts.at(0) ?? "") ? ["starts with a small letter"] : []),
      ...(/\.\s*$/.test(texts.at(-1) ?? "") ? ["ends with a period"] : []),
      ...(texts.some((text) => CONTRACTION.test(text)) ? ["has a contraction"] : []),
    ];
    const hint = "Action, object, colon, state: Cannot bind 10.107.0.4:5432: address is in use";
    for (const fault of faults) context.report({ node: first, message: `An error message ${fault}`, hint });
  },
}));

const constantLogMessage = ruleFor(SHIPPED, (context) => {
  const message = "The message of a log event is not a constant text";
  const hint = 'Write: log.info("Listening on {address}", { address })';
  return {
    CallExpression(node) {
      const [first] = node.arguments;
      if (!isLogMethod(node.callee) || first === undefined || isConstantText(first)) return;
      context.report({ node: first, message, hint });
    },
    TaggedTemplateExpression(node) {
      if (isLogMethod(node.tag) && node.quasi.expressions.length > 0) context.report({ node, message, hint });
    },
  };
});

const logCategory = ruleFor(/^src\//, (context, path) => ({
  CallExpression(node) {
    if (!isNamed(node.callee, "getLogger")) return;
    const category = `["ngrokd", "${path.split("/")[1]}"]`;
    if (context.sourceCode.getText(node) === `getLogger(${category})`) return;
    const message = "The category of a log event is not its folder";
    context.report({ node, message, hint: `Write: getLogger(${category})` });
  },
}));

const noIgnoreFile = ruleFor(/./, (context) => ({
  Program() {
    for (const comment of context.sourceCode.getAllComments()) {
      if (!/^\s*deno-lint-ignore-file\b/.test(comment.value)) continue;
      const message = "A lint rule is switched off for a whole file";
      context.report({ range: comment.range, message, hint: "Ignore one rule on one line, with the reason" });
    }
  },
}));

const noTodo = ruleFor(/./, (context) => ({
  Program() {
    for (const comment of context.sourceCode.getAllComments()) {
      if (!/\b(TODO|FIXME|XXX)\b/.test(comment.value)) continue;
      context.report({
        range: comment.range,
        message: "A comment announces work to do",
        hint: "Do it, or open an issue",
      });
    }
  },
}));

function isNamed(node: Node, name: string): boolean {
  return node.type === "Identifier" && node.name === name;
}

function propertyOf(node: Deno.lint.MemberExpression): string {
  const { property } = node;
  if (property.type === "Identifier" && !node.computed) return property.name;
  return property.type === "Literal" ? String(property.value) : "";
}

function isExported(node: Node): boolean {
  return "parent" in node && /^Export(Named|Default)Declaration$/.test(node.parent?.type ?? "");
}

function isOptions(parameter: Parameter): boolean {
  if (parameter.type === "AssignmentPattern") return isOptions(parameter.left as Parameter);
  if (parameter.type === "ObjectPattern") return true;
  return parameter.type === "Identifier" && /options$/i.test(parameter.name);
}

function isLogMethod(node: Node): boolean {
  return node.type === "MemberExpression" && LOG_METHODS.has(propertyOf(node)) &&
    node.object.type === "Identifier" &&
    /^(log|.*[lL]ogger|.*Log)$/.test(node.object.name);
}

function isConstantText(node: Node): boolean {
  return (node.type === "Literal" && typeof node.value === "string") ||
    (node.type === "TemplateLiteral" && node.expressions.length === 0);
}

/**
 * Returns the constant parts of a message in order; a value at either end becomes an empty part.
 */
function textsOf(node: Node): string[] {
  if (node.type === "Literal") return typeof node.value === "string" ? [node.value] : [""];
  if (node.type === "TemplateLiteral") return node.quasis.map((quasi) => quasi.cooked);
  if (node.type === "BinaryExpression" && node.operator === "+") {
    return [...textsOf(node.left), ...textsOf(node.right)];
  }
  return [""];
}

const plugin: Deno.lint.Plugin = {
  name: "ngrokd",
  rules: {
    "deno-only-in-system": denoOnlyInSystem,
    "exit-only-in-entries": exitOnlyInEntries,
    "console-only-at-the-edge": consoleOnlyAtTheEdge,
    "no-latin1-decoder": noLatin1Decoder,
    "function-declarations": functionDeclarations,
    "hash-private": hashPrivate,
    "two-then-options": twoThenOptions,
    "error-message": errorMessage,
    "constant-log-message": constantLogMessage,
    "log-category": logCategory,
    "no-ignore-file": noIgnoreFile,
    "no-todo": noTodo,
    "docstring-opening": docstringOpening,
    "comment-width": commentWidth,
    "test-name": testName,
    "options-below": optionsBelow,
  },
};

export default plugin;
