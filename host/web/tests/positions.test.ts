import { describe, expect, it } from "vitest";
import { comparePositions, positionBetween } from "../src/document/positions";

describe("cell positions", () => {
  it("start at 80 and grow to both ends as the schema's algorithm does", () => {
    expect(positionBetween(null, null)).toBe("80");
    expect(positionBetween("80", null)).toBe("8180");
    expect(positionBetween("8180", null)).toBe("8280");
    expect(positionBetween(null, "80")).toBe("7F80");
    expect(positionBetween("80", "8180")).toBe("817F80");
  });

  it("always fit between their neighbours, however often one inserts", () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    const positions: string[] = ["80"];
    for (let round = 0; round < 3000; round += 1) {
      const at = round % 3 === 0 ? random(positions.length + 1) : Math.min(3, positions.length);
      const left = positions[at - 1] ?? null;
      const right = positions[at] ?? null;
      const made = positionBetween(left, right);
      if (left) expect(made > left, `${left} < ${made}`).toBe(true);
      if (right) expect(made < right, `${made} < ${right}`).toBe(true);
      expect(made).toMatch(/^([0-9A-F]{2})*80$/);
      positions.splice(at, 0, made);
    }
  });

  it("breaks ties by id", () => {
    const cells = [{ position: "80", id: "b" }, { position: "7F80", id: "z" }, { position: "80", id: "a" }];
    expect(cells.sort(comparePositions).map((cell) => cell.id)).toEqual(["z", "a", "b"]);
    expect(positionBetween("80", "80") > "80").toBe(true);
  });
});
