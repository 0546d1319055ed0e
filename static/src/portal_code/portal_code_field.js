import { Component } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { CopyButton } from "@web/core/copy_button/copy_button";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

/**
 * A code that has to be typed into a page: one button copies it and opens the page.
 *
 * The option `url_field` names the field with the page's address, `url_shown_field` the one that says whether the
 * address is known to be safe; without it the button only copies.
 */
export class PortalCodeField extends Component {
    static template = "l10n_vn_ibhxh.PortalCodeField";
    static components = { CopyButton };
    static props = {
        ...standardFieldProps,
        urlField: { type: String },
        urlShownField: { type: String },
    };

    setup() {
        this.notification = useService("notification");
        this.copied = _t("Copied");
    }

    get code() {
        return this.props.record.data[this.props.name];
    }

    get url() {
        const { record, urlField, urlShownField } = this.props;
        return record.data[urlShownField] && record.data[urlField];
    }

    /** The page is not opened where the code could not be copied: the person would look for it there in vain. */
    async copyAndOpen() {
        try {
            await browser.navigator.clipboard.writeText(this.code);
        } catch {
            this.notification.add(_t("The browser does not let Odoo copy. Select the code and copy it yourself."), {
                type: "warning",
            });
            return;
        }
        if (this.url) {
            browser.open(this.url, "_blank", "noopener,noreferrer");
        } else {
            this.notification.add(this.copied, { type: "success" });
        }
    }
}

export const portalCodeField = {
    component: PortalCodeField,
    displayName: _t("Code for a portal"),
    supportedTypes: ["char"],
    supportedOptions: [
        { label: _t("Field with the address of the portal"), name: "url_field", type: "field" },
        { label: _t("Field that says whether the address may be opened"), name: "url_shown_field", type: "field" },
    ],
    fieldDependencies: ({ options }) => [
        { name: options.url_field, type: "char", readonly: true },
        { name: options.url_shown_field, type: "boolean", readonly: true },
    ],
    extractProps: ({ options }) => ({ urlField: options.url_field, urlShownField: options.url_shown_field }),
};

registry.category("fields").add("l10n_vn_ibhxh_portal_code", portalCodeField);
