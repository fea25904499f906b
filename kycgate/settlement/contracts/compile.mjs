// Compiles the contracts with solc-js into one JSON file each, the same bytes on every machine.
//
//   node compile.mjs [--node-modules DIR] [--out DIR] [--extra SOURCES --extra-out DIR]
//
// Downloads nothing: the compiler, OpenZeppelin and EAS come from DIR (default: ./node_modules).
// `--extra` compiles a folder of further contracts that import ours as "kycgate/<Name>.sol".

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    "node-modules": { type: "string", default: join(here, "node_modules") },
    out: { type: "string", default: join(here, "..", "artifacts") },
    extra: { type: "string" },
    "extra-out": { type: "string" },
  },
});
const modules = resolve(options["node-modules"]);
const solc = createRequire(join(modules, "here.js"))("solc");

// Cancun: the oldest rules with transient storage, in force on every chain that EAS names.
const settings = {
  optimizer: { enabled: true, runs: 200 },
  viaIR: true,
  evmVersion: "cancun",
  // No metadata hash: the bytecode depends on the code alone, not on comments or paths.
  metadata: { bytecodeHash: "none", appendCBOR: false },
};

// EAS as its authors compiled it (MIT), copied so that the product can deploy it without npm.
const borrowed = { EAS: "EAS.sol/EAS.json", SchemaRegistry: "SchemaRegistry.sol/SchemaRegistry.json" };
const easPackage = join(modules, "@ethereum-attestation-service", "eas-contracts");

function sourcesIn(folder, prefix) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".sol")).sort();
  return Object.fromEntries(
    names.map((name) => [prefix + name, { content: readFileSync(join(folder, name), "utf8") }]),
  );
}

function readImport(path) {
  const file = path.startsWith("kycgate/") ? join(here, path.slice(8)) : join(modules, path);
  return existsSync(file) ? { contents: readFileSync(file, "utf8") } : { error: `no ${path}` };
}

function compile(sources) {
  const parts = { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] };
  // Only what was asked for: code of imported contracts would be made for nothing.
  const outputSelection = Object.fromEntries(Object.keys(sources).map((name) => [name, parts]));
  const input = { language: "Solidity", sources, settings: { ...settings, outputSelection } };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
  // A warning about somebody else's source is theirs; one about ours fails the build.
  const problems = (output.errors ?? []).filter(
    ({ severity, sourceLocation }) => severity === "error" || !sourceLocation?.file.startsWith("@"),
  );
  if (problems.length) {
    console.error(problems.map((problem) => problem.formattedMessage).join("\n"));
    process.exit(1);
  }
  return output.contracts;
}

function write(folder, artifact) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${artifact.name}.json`), JSON.stringify(artifact, null, 1) + "\n");
}

function writeAll(folder, sources) {
  const contracts = compile(sources);
  for (const source of Object.keys(sources)) {
    for (const [name, made] of Object.entries(contracts[source] ?? {})) {
      // Abstract contracts and interfaces have no code to deploy.
      if (!made.evm.bytecode.object) continue;
      write(folder, {
        name,
        source,
        compiler: { version: solc.version(), settings },
        abi: made.abi,
        bytecode: "0x" + made.evm.bytecode.object,
        deployedBytecode: "0x" + made.evm.deployedBytecode.object,
      });
    }
  }
}

writeAll(options.out, sourcesIn(here, "kycgate/"));
const { name, version, license } = JSON.parse(readFileSync(join(easPackage, "package.json"), "utf8"));
for (const [contract, path] of Object.entries(borrowed)) {
  const theirs = JSON.parse(readFileSync(join(easPackage, "artifacts", "contracts", path), "utf8"));
  const { abi, bytecode, deployedBytecode } = theirs;
  write(options.out, { name: contract, source: `${name} ${version}`, license, abi, bytecode, deployedBytecode });
}
if (options.extra) writeAll(options["extra-out"], sourcesIn(options.extra, "extra/"));
