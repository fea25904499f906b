// Compiles the peers that come as source, and our contracts that use them, to one JSON list on stdout.
//
//   node compile.mjs COMPILER_NODE_MODULES PEERS_NODE_MODULES
//
// Downloads nothing. `hardhat/console.sol`, which the peer imports and never calls, is an empty file.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [compiler, peers] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const solc = createRequire(join(compiler, "here.js"))("solc");
const violet = "@violetprotocol/ethereum-access-token/contracts/";
const sources = {
  [violet + "AccessTokenVerifier.sol"]: join(peers, violet, "AccessTokenVerifier.sol"),
  [violet + "mocks/ConsumerMock.sol"]: join(peers, violet, "mocks", "ConsumerMock.sol"),
  "JobConsumer.sol": join(here, "JobConsumer.sol"),
};

const input = {
  language: "Solidity",
  sources: Object.fromEntries(
    Object.entries(sources).map(([name, path]) => [name, { content: readFileSync(path, "utf8") }]),
  ),
  settings: {
    optimizer: { enabled: true, runs: 200 },
    evmVersion: "cancun",
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const readImport = (path) =>
  path === "hardhat/console.sol"
    ? { contents: "" }
    : { contents: readFileSync(join(peers, path), "utf8") };
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
if (errors.length) {
  console.error(errors.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}
const made = Object.values(output.contracts).flatMap((contracts) =>
  Object.entries(contracts).map(([name, { abi, evm }]) => ({
    name,
    abi,
    bytecode: "0x" + evm.bytecode.object,
  })),
);
process.stdout.write(JSON.stringify(made));
