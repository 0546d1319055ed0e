import { evaluateBooleanExpr } from "@web/core/py_js/py";
import { pick } from "@web/core/utils/objects";
import { FormArchParser } from "@web/views/form/form_arch_parser";
import { processButton } from "@web/views/utils";

/**
 * Buttons of a form's header with `data-menu="1"` are entries of its action menu.
 *
 * They stay buttons of the view in all else: who may see them, when, what they ask before, which method they call.
 */
export class MenuButtonsArchParser extends FormArchParser {
    parse(xmlDoc, ...models) {
        const arch = xmlDoc.cloneNode(true);
        const menuButtons = [...arch.querySelectorAll("header > button[data-menu]")].map((node) => {
            node.remove();
            return processButton(node);
        });
        return { ...super.parse(arch, ...models), menuButtons };
    }
}

/** The entries of the action menu for `controller`, as `getStaticActionMenuItems` gives them. */
export function menuButtonItems(controller) {
    const record = controller.model.root;
    const items = controller.archInfo.menuButtons.map((button, index) => [
        `${button.clickParams.name} ${index}`,
        {
            isAvailable: () =>
                !record.isNew && !evaluateBooleanExpr(button.invisible || "0", record.evalContextWithVirtualIds),
            sequence: index / 100,
            icon: button.icon && `fa ${button.icon}`,
            description: button.string,
            skipSave: true, // the button saves, as all buttons do
            callback: () =>
                controller.env.onClickViewButton({
                    clickParams: button.clickParams,
                    getResParams: () => pick(record, "context", "evalContext", "resModel", "resId", "resIds"),
                }),
        },
    ]);
    return Object.fromEntries(items);
}
