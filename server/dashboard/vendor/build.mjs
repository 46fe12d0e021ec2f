// Makes the files that pages load from the installed packages: `node build.mjs TARGET`, run by
// `python -m build.package.assets` beside node_modules.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

const target = process.argv[2];
const copied = {
  "tabler.css": "@tabler/core/dist/css/tabler.min.css",
  "inter-latin.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
};
// Every package of which a part reaches a browser.
const licensed = [
  "@fontsource-variable/inter",
  "@tabler/core",
  "@tabler/icons",
  "echarts",
  "tslib",
  "zrender",
];
const licenceFiles = ["LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE"];

function inPackages(...path) {
  return join("node_modules", ...path);
}

// One SVG that holds each icon as a symbol of its name.
function buildSprite(names) {
  const symbols = names.map((name) => {
    const path = inPackages("@tabler/icons/icons/outline", `${name}.svg`);
    const [, shapes] = readFileSync(path, "utf8").match(/<svg[^>]*>(.*)<\/svg>/s);
    const compact = shapes.trim().split(/\s+/).join(" ");
    return `<symbol id="${name}" viewBox="0 0 24 24">${compact}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`;
}

// Each package's licence, and a list of name, version and licence of all.
function copyLicences(folder) {
  mkdirSync(folder);
  const lines = licensed.map((name) => {
    const about = JSON.parse(readFileSync(inPackages(name, "package.json"), "utf8"));
    for (const file of licenceFiles.filter((each) => existsSync(inPackages(name, each)))) {
      const flat = name.replace(/^@/, "").replace("/", "-");
      copyFileSync(inPackages(name, file), join(folder, `${flat}-${file.replace(/\.md$/, "")}`));
    }
    return `${name} ${about.version}, ${about.license ?? "see its file"}\n`;
  });
  writeFileSync(join(folder, "README"), lines.join(""));
}

await build({
  entryPoints: ["echarts.js"],
  outfile: join(target, "echarts.js"),
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none", // the licences are copied as they are
  logLevel: "warning",
});
for (const [name, source] of Object.entries(copied)) {
  copyFileSync(inPackages(source), join(target, name));
}
// collectstatic would look in vain for the source map that this comment names.
const css = join(target, "tabler.css");
writeFileSync(css, readFileSync(css, "utf8").replaceAll(/\/\*# sourceMappingURL=.*?\*\//g, ""));
const icons = readFileSync("icons.txt", "utf8").trim().split("\n");
writeFileSync(join(target, "icons.svg"), buildSprite(icons));
copyLicences(join(target, "licences"));
