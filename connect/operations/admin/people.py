"""Staff and their roles. Who may manage people never hands out more than they hold themselves."""

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Q
from django_otp import devices_for_user
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from connect.operations import labels, roles
from connect.operations.admin.base import OperationsAdmin
from connect.operations.admin.confirmed import Declined, confirmed, shown_when
from connect.operations.tenancy import organizations_of, sees_everything
from connect.organizations.models import Membership

admin.site.unregister([User, Group])


class MembershipForms(forms.BaseInlineFormSet):
    """Staff of an organisation keep at least one of it: they cannot let anybody out into the whole installation."""

    def clean(self):
        super().clean()
        kept = [form for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        if not kept and not sees_everything(self.by):
            raise forms.ValidationError("Choose an organisation.")


class MembershipInline(TabularInline):
    model = Membership
    formset = MembershipForms
    extra = 0
    verbose_name_plural = "Sees only these organisations"

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        seen = organizations_of(request.user)
        return rows if seen is None else rows.filter(organization__in=seen)

    def get_min_num(self, request, obj=None, **kwargs):
        return 0 if sees_everything(request.user) else 1

    def get_formset(self, request, obj=None, **kwargs):
        formset = super().get_formset(request, obj, **kwargs)
        return type("MembershipFormsBy", (formset,), {"by": request.user})

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        seen = organizations_of(request.user)
        if db_field.name == "organization" and seen is not None:
            field.queryset = field.queryset.filter(pk__in=seen)
        return field


@admin.register(User)
class UserAdmin(OperationsAdmin, DjangoUserAdmin):
    form, add_form, change_password_form = UserChangeForm, UserCreationForm, AdminPasswordChangeForm
    list_display = ("username", "email", "role", "sees", "two_step", "is_active", "last_login")
    list_filter = ("groups", "is_active")
    list_filter_submit = False
    search_help_text = "User name or e-mail address"
    ordering = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined", "two_step")
    fieldsets = (
        (None, {"fields": ("username", "password", "email", "first_name", "last_name")}),
        ("May do", {"fields": ("is_active", "groups")}),
        ("Signing in", {"fields": ("two_step", "last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "email", "groups", "password1", "password2")}),)
    inlines = (MembershipInline,)
    actions_detail = ("reset_two_step",)

    def has_add_permission(self, request):
        return request.user.has_perm("auth.add_user")

    def has_change_permission(self, request, obj=None):
        return request.user.has_perm("auth.change_user") and (obj is None or self._may_manage(request, obj))

    def _may_manage(self, request, user) -> bool:
        """Nobody changes who may do more than they may."""
        return request.user.is_superuser or not user.is_superuser

    def get_queryset(self, request):
        rows = admin.ModelAdmin.get_queryset(self, request).filter(is_staff=True).prefetch_related(
            "groups", "memberships__organization", "authenticator_set"
        )  # fmt: skip
        seen = organizations_of(request.user)
        if seen is None:
            return rows
        others = Membership.objects.exclude(organization__in=seen).values("user")
        return rows.filter(memberships__organization__in=seen).exclude(pk__in=others).distinct()

    def _found(self, request, term):
        return Q(username__icontains=term) | Q(email__iexact=term)

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        if db_field.name == "groups":
            kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
            kwargs["help_text"] = "What this person may do."
            field = db_field.formfield(**kwargs)
            field.queryset = roles.grantable_by(request.user)
            return field
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(self, request, obj, form, change):
        obj.is_staff = True
        admin.ModelAdmin.save_model(self, request, obj, form, change)
        changed = sorted(set(form.changed_data) - {"password1", "password2", "usable_password"})
        self.note(request, "staff.changed" if change else "staff.added", obj, fields=changed)

    def save_related(self, request, form, formsets, change):
        before = set(form.instance.groups.values_list("name", flat=True)) if change else set()
        super().save_related(request, form, formsets, change)
        after = set(form.instance.groups.values_list("name", flat=True))
        if before != after:
            self.note(request, "staff.roles_changed", form.instance, before=sorted(before), after=sorted(after))

    @display(description="Role")
    def role(self, user):
        names = [group.name for group in user.groups.all()]
        return "superuser" if user.is_superuser else ", ".join(names) or "–"

    @display(description="Sees")
    def sees(self, user):
        names = [membership.organization.name for membership in user.memberships.all()]
        return ", ".join(names) or ("every organisation" if user.has_perm("operations.see_everything") else "nothing")

    @display(description="Two-step sign-in")
    def two_step(self, user):
        on = any(device.confirmed for device in user.authenticator_set.all()) if user.pk else False
        return labels.badge("on", "success") if on else labels.badge("off", "")

    @shown_when(lambda user: user.authenticator_set.exists())
    @confirmed(
        title="Reset two-step sign-in", description="For somebody who lost their phone: their authenticator and recovery "
        "codes are forgotten, and they sign in with the password alone until they set it up again.",
        permission="manage_people", icon="lock_reset", variant=ActionVariant.DANGER, submit="Reset",
    )  # fmt: skip
    def reset_two_step(self, request, user, form):
        if not self._may_manage(request, user):
            raise Declined("Only a superuser can do this to a superuser.")
        devices = list(devices_for_user(user, confirmed=None))
        for device in devices:
            device.delete()
        self.note(request, "staff.two_step_reset", user, devices=len(devices))
        return f"{user.get_username()} signs in with the password alone."


@admin.register(Group)
class RoleAdmin(OperationsAdmin, DjangoGroupAdmin):
    """What each role may do; `manage.py roles` sets it, so it is only shown here."""

    organization_path = ""
    list_display = ("name", "people")
    ordering = ("name",)
    fields = ("name", "may_do")
    readonly_fields = ("may_do",)
    list_fullwidth = False

    def _found(self, request, term):
        return Q(name__icontains=term)

    @display(description="People")
    def people(self, group):
        return group.user_set.filter(is_staff=True).count()

    @display(description="May")
    def may_do(self, group):
        names = [permission.name for permission in group.permissions.order_by("content_type__app_label", "codename")]
        return "; ".join(names)
